"""What well-known images and service names tell: which are gateways or shared, and how health is checked.

The checks use programs that the official images have.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

_GATEWAYS = frozenset(
    {
        "gateway", "proxy", "traefik", "caddy", "haproxy", "envoy", "nginx", "ingress", "swag", "npm",
        "kong", "cloudflared", "tunnel", "router", "loadbalancer", "lb",
    }
)  # fmt: skip
_GATEWAY_IMAGES = frozenset(
    {"traefik", "caddy", "haproxy", "envoy", "swag", "nginx-proxy", "nginx-proxy-manager", "cloudflared"}
)
_SHARED = frozenset(
    {
        "redis", "valkey", "memcached", "rabbitmq", "nats", "mosquitto", "mqtt", "kafka", "etcd", "consul",
        "vault", "pihole", "adguard", "adguardhome", "unbound", "dns", "authelia", "authentik", "tailscale",
        "wireguard", "portainer", "homeassistant", "vaultwarden",
    }
)  # fmt: skip
_ONE_SHOTS = frozenset(
    {
        "migrate", "migration", "migrations", "init", "setup", "seed", "bootstrap", "backup", "import",
        "fixtures", "job",
    }
)  # fmt: skip
RESTARTERS = frozenset({"watchtower", "ouroboros", "autoheal", "diun"})
"""Images of programs that restart or update other containers by themselves."""

ImageHealthcheck = str
"""The value of `test:` in a compose file, as YAML. Compose reads two dollar signs as one."""


def _http(port: int, path: str = "/", tool: str = "curl -fsS -o /dev/null") -> ImageHealthcheck:
    return f'["CMD-SHELL", "{tool} http://127.0.0.1:{port}{path} || exit 1"]'


_WGET = "wget -q --spider"
_POSTGRES = '["CMD-SHELL", "pg_isready -U $${POSTGRES_USER:-postgres}"]'
_SEARCH = _http(9200, "/_cluster/health")
_HEALTHCHECKS: Mapping[str, ImageHealthcheck] = {
    "postgres": _POSTGRES, "postgis": _POSTGRES, "pgvector": _POSTGRES, "timescaledb": _POSTGRES,
    "redis": '["CMD", "redis-cli", "ping"]',
    "valkey": '["CMD", "valkey-cli", "ping"]',
    "mysql": '["CMD-SHELL", "mysqladmin ping -h 127.0.0.1 --silent"]',
    "mariadb": '["CMD", "healthcheck.sh", "--connect", "--innodb_initialized"]',
    "mongo": '["CMD", "mongosh", "--quiet", "--eval", "db.adminCommand({ping: 1}).ok"]',
    "rabbitmq": '["CMD", "rabbitmq-diagnostics", "-q", "ping"]',
    "nginx": '["CMD-SHELL", "curl -fsS -o /dev/null http://127.0.0.1/ || wget -q --spider http://127.0.0.1/"]',
    "httpd": '["CMD-SHELL", "httpd -t && kill -0 1"]',
    "caddy": _http(2019, "/config/", _WGET),
    "traefik": '["CMD", "traefik", "healthcheck", "--ping"]',
    "jellyfin": _http(8096, "/health"),
    "nextcloud": _http(80, "/status.php"),
    "grafana": _http(3000, "/api/health", _WGET),
    "prometheus": _http(9090, "/-/ready", _WGET),
    "influxdb": '["CMD", "influx", "ping"]',
    "minio": '["CMD", "mc", "ready", "local"]',
    "elasticsearch": _SEARCH, "opensearch": _SEARCH,
    "clickhouse-server": '["CMD", "clickhouse-client", "--query", "SELECT 1"]',
    "ollama": '["CMD", "ollama", "list"]',
    "vllm-openai": _http(8000, "/health"),
    "gitea": _http(3000, "/api/healthz"),
    "sonarr": _http(8989, "/ping"), "radarr": _http(7878, "/ping"), "prowlarr": _http(9696, "/ping"),
}  # fmt: skip


def basename(image: str) -> str:
    """The last part of an image's name, without tag and digest: `postgres` of `docker.io/postgres:16`."""
    return image.partition("@")[0].rpartition("/")[2].partition(":")[0].lower()


def healthcheck_of(image: str) -> ImageHealthcheck:
    """A healthcheck for a well-known image; empty where there is none."""
    return _HEALTHCHECKS.get(basename(image), "")


def is_gateway(name: str, image: str) -> bool:
    """Does the name of the service or its image say that requests come in through it?"""
    return bool(_words(name) & _GATEWAYS) or basename(image) in _GATEWAY_IMAGES


def is_shared(name: str, image: str) -> bool:
    """Does the name of the service or its image say that others count on it at any time?"""
    return bool(_words(name) & _SHARED) or basename(image) in _SHARED


def may_be_one_shot(name: str) -> bool:
    """Does the name of the service say that it does its work and ends?"""
    return bool(_words(name) & _ONE_SHOTS)


def restarts_others(image: str) -> bool:
    """Does the image hold a program that restarts other containers?"""
    return basename(image) in RESTARTERS


def _words(name: str) -> set[str]:
    lower = name.lower()
    return {lower, re.sub(r"[^a-z]", "", lower), *re.split(r"[^a-z]+", lower)}
