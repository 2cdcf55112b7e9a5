"""What it costs to keep a result: processor time, so that other work on the machine does not count."""

from __future__ import annotations

import time
from pathlib import Path

from studies import fresh, row

from arcuate.study.store import Store


def test_ten_thousand_rows_are_committed_in_two_seconds(tmp_path: Path) -> None:
    rows = [row(number) for number in range(10_000)]
    with fresh(tmp_path) as store:
        start = time.process_time()
        for first in range(0, len(rows), 50):
            store.commit(rows[first : first + 50])
        committed = time.process_time() - start
    start = time.process_time()
    assert len(Store.read(tmp_path).rows()) == len(rows)
    size = (tmp_path / "index.sqlite").stat().st_size / len(rows)
    read = time.process_time() - start
    print(f"10 000 rows: {committed:.2f} s to commit, {read:.2f} s to read, {size:.0f} bytes each")
    assert committed < 2.0
