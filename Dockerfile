# The product: web, worker, beat, flower and the migrations are one image that is told what to be.
# The base is an official one unless another is named; `make images` names one made of Debian's packages.
ARG BASE=python:3.11-slim-bookworm

FROM ${BASE} AS packages
WORKDIR /build
# Wheels at hand come along, where there are any; the pattern lets them be missing.
COPY pyproject.toml constraints.txt wheel[s] wheels/
COPY client/pyproject.toml wheels/client/
# "--no-index --find-links=wheels" asks no index.
ARG PIP_OPTIONS=""
RUN python3 -m venv /opt/power \
    && python3 -c 'import tomllib; \
read = lambda path: tomllib.load(open(path, "rb")); \
server, client = read("wheels/pyproject.toml"), read("wheels/client/pyproject.toml"); \
needed = [*server["build-system"]["requires"], *server["project"]["dependencies"], *client["project"]["dependencies"]]; \
print(*(name for name in needed if not name.startswith("power-windows-client")), sep="\n")' > needed.txt \
    && /opt/power/bin/pip install --quiet --no-cache-dir --disable-pip-version-check ${PIP_OPTIONS} --constraint wheels/constraints.txt --requirement needed.txt
COPY pyproject.toml README.md celeryconfig.py ./
COPY client client
COPY app app
COPY migrations migrations
COPY workers workers
RUN /opt/power/bin/pip install --quiet --no-cache-dir --disable-pip-version-check --no-index --no-deps --no-build-isolation ./client .

FROM ${BASE}
ARG UID=8420
RUN echo "power:x:${UID}:${UID}::/tmp:/usr/sbin/nologin" >> /etc/passwd \
    && echo "power:x:${UID}:" >> /etc/group \
    && install -d -o ${UID} -g ${UID} -m 0700 /var/lib/power-windows
COPY --from=packages /opt/power /opt/power
ENV PATH=/opt/power/bin:/usr/local/bin:/usr/bin:/bin HOME=/tmp MALLOC_ARENA_MAX=2 \
    PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1 POWER_DATA_DIR=/var/lib/power-windows
USER power
WORKDIR /tmp
CMD ["power", "--help"]
