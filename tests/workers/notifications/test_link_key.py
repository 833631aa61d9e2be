"""The key of one-tap links: one for all workers of a node, private, and whole."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from workers.notifications import link_key


def test_all_workers_of_a_node_get_the_same_private_key(tmp_path: Path) -> None:
    with ThreadPoolExecutor(8) as pool:
        keys = set(pool.map(lambda _: link_key.read_or_create(tmp_path), range(8)))
    assert len(keys) == 1
    assert (tmp_path / link_key.LINK_KEY_FILE).stat().st_mode & 0o777 == 0o600
    assert {one.name for one in tmp_path.iterdir()} == {link_key.LINK_KEY_FILE, "locks"}


def test_a_key_that_was_cut_short_is_replaced(tmp_path: Path) -> None:
    (tmp_path / link_key.LINK_KEY_FILE).write_bytes(b"short")
    assert len(link_key.read_or_create(tmp_path)) == 32
