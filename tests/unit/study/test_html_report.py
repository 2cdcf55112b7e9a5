"""The page of a study: what it says, and what a real browser draws of it."""

from __future__ import annotations

import errno
import itertools
import json
import os
import re
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import matplotlib
import numpy as np
import pandas as pd
import pytest

from arcuate.errors import StoreError
from arcuate.study import Study
from arcuate.study.html_report import render_page, write_page

FACTS = {"model": "made up", "seed": "0", "measure <b>": "a & b"}
GAIN, TAU, NOISE = "projections.loop.weight.gain", "populations.exc.neuron.tau_m", "populations.exc.noise"
FIELDS = [GAIN, TAU, NOISE, "seed"]
ATTACK = "</script><script>window.attacked = true</script><img src=x onerror='window.attacked = true'>"


def made_up() -> pd.DataFrame:
    """Return 4 x 3 x 2 points with three seeds each: one place without values, one that failed in part."""
    rng = np.random.default_rng(5)
    rows = []
    for gain, tau, noise, seed in itertools.product(
        [0.5, 1.0, 1.5, 2.0], [0.005, 0.02, 0.1], ["low", "high"], range(3)
    ):
        failed = gain == 2.0 and tau == 0.1 and seed > 0
        silent = gain == 0.5 and tau == 0.005
        rows.append(
            {
                GAIN: gain,
                TAU: tau,
                NOISE: noise,
                "seed": seed,
                "rate.exc": np.nan if failed or silent else rng.normal(10 * gain, 2.0),
                "share": np.nan if failed else rng.uniform(),
                "regime": None if failed else "fast & loose" if gain > 1 else "slow",
                "status": "failed" if failed else "done",
                "wall_seconds": rng.uniform(0.5, 1.5),
                "recording": None if failed else f"gain {gain} #{len(rows)}.nc",
                "reason": ("blow-up " + ATTACK if seed == 1 else "too slow") if failed else None,
                "traceback": f"Traceback of seed {seed}\n{ATTACK}" if failed else None,
                "tries": 3 if failed else 1,
            }
        )
    table = pd.DataFrame(rows)
    table.attrs["units"] = {TAU: "s"}
    return table


def data_of(page: str) -> dict[str, Any]:
    """Return what the page draws."""
    match = re.search(r"<script type=\"application/json\" id=\"data\">(.*?)</script>", page, re.DOTALL)
    assert match is not None
    return json.loads(match[1])  # type: ignore[no-any-return]


class TestText:
    def test_the_summary_counts_done_failed_and_left(self) -> None:
        page = render_page(made_up(), FIELDS, FACTS, name="a < b", planned=100)
        assert "<title>a &lt; b: study</title>" in page
        for words in (
            "<dd>68 of 100 done</dd>",
            "<dt>failed</dt><dd>4</dd>",
            "<dt>still to run</dt><dd>28</dd>",
        ):
            assert words in page
        assert "measure &lt;b&gt;" in page

    def test_nothing_of_the_study_can_become_markup(self) -> None:
        page = render_page(made_up(), FIELDS, {"fact": ATTACK}, name=ATTACK)
        assert page.count("<script") == 2
        assert "<img" not in page

    def test_it_asks_for_nothing_outside_itself(self) -> None:
        page = render_page(made_up(), FIELDS, FACTS)
        assert "default-src 'none'" in page
        addresses = set(re.findall(r"https?://[^\"'\s)]+", page))
        assert addresses == {"http://www.w3.org/2000/svg"}  # a name of SVG, not a request

    def test_fields_have_the_shortest_names_that_tell_them_apart(self) -> None:
        table = pd.DataFrame({"a.exc.tau": [1], "a.inh.tau": [1], "b.n": [1], "c.m.n": [2]})
        labels = [field["label"] for field in data_of(render_page(table, list(table), {}))["fields"]]
        assert labels == ["exc.tau", "inh.tau", "b.n", "m.n"]

    def test_quantities_are_ordered_by_size_and_shown_in_their_usual_unit(self) -> None:
        table = pd.DataFrame({"tau": [0.1, 0.005], "v": [-0.065, -0.05], "n": [10, 2], "word": ["b", "a"]})
        table.attrs["units"] = {"tau": "s", "v": "V"}
        tau, v, n, word = data_of(render_page(table, list(table), {}))["fields"]
        assert (tau["levels"], tau["unit"], tau["codes"]) == (["5", "100"], "ms", [1, 0])
        assert (v["levels"], v["unit"], v["codes"]) == (["-65", "-50"], "mV", [0, 1])
        np.testing.assert_allclose(v["numbers"], [-65.0, -50.0])
        assert (n["levels"], n["numbers"], n["unit"]) == (["2", "10"], [2, 10], "")
        assert (word["levels"], word["numbers"]) == (["b", "a"], None)

    def test_what_is_not_finite_is_a_gap(self) -> None:
        table = pd.DataFrame(
            {"x": [1, 2, 3, 4], "m": [1.5, np.nan, np.inf, None], "flag": [True, False, True, True]}
        )
        metrics = data_of(render_page(table, ["x"], {}))["metrics"]
        assert [metric["values"] for metric in metrics] == [[1.5, None, None, None], [1, 0, 1, 1]]

    def test_texts_are_columns_of_the_table_but_no_metrics(self) -> None:
        data = data_of(render_page(made_up(), FIELDS, FACTS))
        assert [note["name"] for note in data["notes"]] == ["regime"]
        names = [metric["name"] for metric in data["metrics"]]
        assert names == ["rate.exc", "share", "computing time (s)", "share that failed"]

    def test_links_lead_from_the_page_to_the_recordings_and_nowhere_else(self) -> None:
        table = pd.DataFrame({"x": [1, 2], "recording": ["a b#1.nc", "javascript:alert(1)"]})
        beside = data_of(render_page(table, ["x"], {}, recordings="../my study/recordings"))["recording"]
        assert beside[0] == "../my%20study/recordings/a%20b%231.nc"
        assert data_of(render_page(table, ["x"], {}))["recording"][1] == "javascript%3Aalert%281%29"

    def test_failures_are_grouped_by_reason(self) -> None:
        groups = data_of(render_page(made_up(), FIELDS, FACTS))["failures"]
        assert [(group["reason"][:8], len(group["points"])) for group in groups] == [
            ("blow-up ", 2),
            ("too slow", 2),
        ]

    @pytest.mark.parametrize("table", [made_up().iloc[:0], made_up().iloc[:1]])
    def test_a_study_that_has_just_begun(self, table: pd.DataFrame) -> None:
        assert f"<dd>{len(table)} of 72 done</dd>" in render_page(table, FIELDS, FACTS, planned=72)


# ---------------------------------------------------------------- in a real browser


def _or_skip(reason: str) -> None:
    """Skip, or fail where a browser is demanded."""
    if os.environ.get("ARCUATE_REQUIRE_BROWSER") == "1":
        pytest.fail(reason)
    pytest.skip(reason)


class TestWritten:
    """A page that cannot be written says where and why, and leaves nothing."""

    @pytest.fixture
    def store(self, tmp_path: Path) -> Path:
        """Return the folder of a small study."""
        Study(lambda x: {"square": x * x}, {"x": [1, 2]}).run(tmp_path / "store", n_jobs=1)
        return tmp_path / "store"

    @pytest.mark.parametrize("place", ["file/page.html", "x" * 300 + ".html", "a\0b.html", "/proc/page.html"])
    def test_where_no_file_can_be(self, store: Path, place: str) -> None:
        (store.parent / "file").write_text("mine")
        with pytest.raises(
            StoreError, match=r"Study report: path = .* cannot be written \(.+\)\. Free space"
        ):
            write_page(store, store.parent / place)
        assert sorted(path.name for path in store.parent.iterdir()) == ["file", "store"]

    def test_on_a_full_disk(self, store: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        def full(handle: int) -> None:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

        monkeypatch.setattr(os, "fsync", full)
        with pytest.raises(StoreError, match="No space left"):
            write_page(store)
        assert not list(store.glob("*report*"))


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """Return a headless Chromium that reaches no network and is driven by the driver beside it."""
    chromium, driver = shutil.which("chromium"), shutil.which("chromedriver")
    if chromium is None or driver is None:
        _or_skip("chromium and chromedriver are not installed (Debian: chromium, chromium-driver)")
    try:
        from selenium import webdriver
        from selenium.webdriver.chrome.service import Service
    except ImportError:
        _or_skip("selenium is not installed (it comes with the extra 'test')")
    options = webdriver.ChromeOptions()
    options.binary_location = str(chromium)
    profile = tmp_path_factory.mktemp("profile")
    for word in (
        "--headless=new",
        "--disable-gpu",
        "--disable-dev-shm-usage",
        "--window-size=1300,1000",
        "--no-first-run",
        "--host-resolver-rules=MAP * ~NOTFOUND",
        f"--user-data-dir={profile}",
    ):
        options.add_argument(word)
    if os.geteuid() == 0:
        options.add_argument("--no-sandbox")
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    chrome = webdriver.Chrome(options=options, service=Service(str(driver)))
    yield chrome
    chrome.quit()


Open = Callable[..., "Page"]


class Page:
    """A page in the browser, and what one does with it."""

    def __init__(self, browser: Any, path: Path) -> None:
        self.browser = browser
        browser.get(path.as_uri())
        assert self.js("return document.documentElement.dataset.ready") == "yes", browser.get_log("browser")

    def js(self, code: str, *words: Any) -> Any:
        return self.browser.execute_script(code, *words)

    def one(self, selector: str) -> Any:
        return self.browser.find_element("css selector", selector)

    def all(self, selector: str) -> list[Any]:
        return self.browser.find_elements("css selector", selector)  # type: ignore[no-any-return]

    def appear(self, selector: str) -> list[Any]:
        """Return all that the selector finds as soon as it finds any."""
        from selenium.webdriver.support.wait import WebDriverWait

        return WebDriverWait(self.browser, 10).until(lambda _: self.all(selector))  # type: ignore[no-any-return]

    def text(self, selector: str) -> str:
        return str(self.js("return document.querySelector(arguments[0]).textContent", selector))

    def choose(self, selector: str, text: str) -> None:
        from selenium.webdriver.support.select import Select

        Select(self.one(selector)).select_by_visible_text(text)

    def press(self, *keys: str) -> None:
        self.browser.switch_to.active_element.send_keys(*keys)

    def cells(self) -> list[tuple[float | None, str]]:
        """Return value and color of everything drawn on the map, in the order of the drawing."""
        found = self.js(
            "return [...document.querySelectorAll('#map [data-cell]')].map((cell) => "
            "[cell.dataset.value, cell.getAttribute('fill')])"
        )
        return [(float(value) if value else None, fill) for value, fill in found]

    def column(self, name: str) -> list[str]:
        """Return a column of the table of points as shown."""
        place = [head.text.split("\n")[0].strip() for head in self.all("#points th")].index(name)
        return list(
            self.js(
                "return [...document.querySelectorAll('#points tbody tr')].map((row) => "
                "row.children[arguments[0]].textContent)",
                place,
            )
        )

    def quiet(self) -> None:
        """Demand that no script failed and nothing was asked of a network."""
        assert self.browser.get_log("browser") == []
        assert self.js("return performance.getEntriesByType('resource').length") == 0
        assert self.js("return window.attacked") is None


@pytest.fixture
def show(browser: Any, tmp_path: Path) -> Iterator[Open]:
    """Return a function that writes a page to the disk and opens it; afterwards no script may have failed."""
    pages: list[Page] = []

    def show(table: pd.DataFrame, fields: list[str], **options: Any) -> Page:
        folder = tmp_path / "a folder & more"
        folder.mkdir(exist_ok=True)
        (folder / "page.html").write_text(render_page(table, fields, FACTS, **options), encoding="utf-8")
        pages.append(Page(browser, folder / "page.html"))
        return pages[-1]

    yield show
    for page in pages[-1:]:
        page.quiet()


def expected_map(table: pd.DataFrame, x: str, y: str, metric: str) -> list[float]:
    """Return the mean at every place, row by row from the bottom, by pandas."""

    def size(name: str) -> pd.Series:
        return table[name].replace({"low": "0", "high": "1"}).astype(float)

    frame = pd.DataFrame({"x": size(x), "y": size(y), "m": table[metric]})
    return list(frame.groupby(["y", "x"])["m"].mean())


class TestMap:
    @pytest.mark.parametrize(
        ("x", "y", "metric"), [(GAIN, TAU, "rate.exc"), (TAU, "seed", "share"), (NOISE, GAIN, "rate.exc")]
    )
    def test_every_place_shows_the_mean_over_the_rest(self, show: Open, x: str, y: str, metric: str) -> None:
        table = made_up()
        page = show(table, FIELDS)
        page.choose("#metric", metric)
        page.choose("#x", x.split(".")[-1])
        page.choose("#y", y.split(".")[-1])
        axes = page.js("return ['x', 'y'].map((axis) => document.getElementById(axis).value)")
        assert [FIELDS[int(axis)] for axis in axes] == [x, y]
        drawn = [value for value, _ in page.cells()]
        expected = expected_map(table, x, y, metric)
        assert len(drawn) == len(expected)
        np.testing.assert_allclose(np.array(drawn, dtype=float), expected, rtol=1e-6)

    def test_colors_are_viridis_from_the_lowest_to_the_highest(self, show: Open) -> None:
        cells = show(made_up(), FIELDS).cells()
        known = [(value, fill) for value, fill in cells if value is not None]
        low, high = min(value for value, _ in known), max(value for value, _ in known)
        for value, fill in known:
            drawn = [int(part) for part in re.findall(r"\d+", fill)]
            wanted = matplotlib.colormaps["viridis"]((value - low) / (high - low))[:3]
            np.testing.assert_allclose(drawn, np.array(wanted) * 255, atol=4)
        assert [fill for value, fill in cells if value is None] == ["url(#hatch)"]

    def test_choosing_one_axis_for_both_swaps_them(self, show: Open) -> None:
        page = show(made_up(), FIELDS)
        page.choose("#x", "tau_m")
        assert page.js("return ['x', 'y'].map((axis) => document.getElementById(axis).value)") == ["1", "0"]
        assert page.text("#map-caption").startswith(
            "Heat map: rate.exc over tau_m and gain, mean over noise, seed"
        )

    def test_a_field_may_be_fixed(self, show: Open) -> None:
        table = made_up()
        page = show(table, FIELDS)
        page.choose("#fix-2", "high")
        page.choose("#fix-3", "1")
        part = table[(table[NOISE] == "high") & (table["seed"] == 1)]
        drawn = [np.nan if value is None else value for value, _ in page.cells()]
        np.testing.assert_allclose(drawn, expected_map(part, GAIN, TAU, "rate.exc"), rtol=1e-6)
        assert "only noise = high, seed = 1" in page.text("#map-caption")
        assert "of 12 points" in page.text("#count")
        assert page.text("#readout").startswith("Point at a place")

    def test_colors_over_all_points_stay_when_a_field_is_fixed(self, show: Open) -> None:
        page = show(made_up(), FIELDS)
        page.one("#same").click()
        before = page.cells()
        page.choose("#fix-3", "0")
        page.choose("#fix-3", "all seeds")
        assert page.cells() == before
        page.one("#same").click()
        assert page.cells() != before

    def test_the_keyboard_alone_reads_the_map_and_lists_a_place(self, show: Open) -> None:
        from selenium.webdriver.common.keys import Keys

        table = made_up()
        page = show(table, FIELDS)
        page.one("#same").send_keys(Keys.TAB)
        assert page.js("return document.activeElement.id") == "map-svg"
        page.press(Keys.ARROW_RIGHT)
        assert page.text("#readout") == (
            "gain = 0.5, tau_m = 5 ms: rate.exc has no value (6 points, value missing)"
        )
        page.press(
            Keys.ARROW_RIGHT, Keys.ARROW_UP, Keys.ARROW_LEFT, Keys.ARROW_DOWN, Keys.ARROW_UP, Keys.ARROW_RIGHT
        )
        there = table[(table[GAIN] == 1.0) & (table[TAU] == 0.02)]
        assert page.text("#readout").startswith(
            f"gain = 1, tau_m = 20 ms: rate.exc = {there['rate.exc'].mean():.4g}"
        )
        assert f"mean of 6 points, SD {there['rate.exc'].std():.4g}" in page.text("#readout")
        page.press(Keys.ENTER)
        assert page.text("#count") == "1 to 6 of 6 points at gain = 1, tau_m = 20 ms"
        assert [int(text) for text in page.column("point")] == list(there.index)
        page.press(Keys.ESCAPE)
        assert "of 72 points" in page.text("#count")

    def test_a_click_lists_the_points_of_a_place(self, show: Open) -> None:
        page = show(made_up(), FIELDS)
        page.all("#map [data-cell]")[-1].click()
        assert "of 6 points at gain = 2, tau_m = 100 ms" in page.text("#count")
        assert "2 of 6 points" in page.text("#readout")
        page.one("#all").click()
        assert "of 72 points" in page.text("#count")
        assert not page.one("#all").is_displayed()

    def test_points_that_lie_on_no_grid_are_a_scatter_plot(self, show: Open) -> None:
        rng = np.random.default_rng(1)
        table = pd.DataFrame(
            {"a": rng.uniform(0, 1, 200), "b": 10 ** rng.uniform(-3, 0, 200), "c": rng.uniform(size=200)}
        )
        table["m"] = np.where(table["c"] > 0.9, np.nan, table["a"])
        page = show(table, ["a", "b", "c"])
        assert page.js("return document.getElementById('map-svg').dataset.kind") == "scatter"
        drawn = [value for value, _ in page.cells()]
        assert drawn.count(None) == int(table["m"].isna().sum())
        np.testing.assert_allclose(
            sorted(v for v in drawn if v is not None), sorted(table["m"].dropna()), rtol=1e-6
        )
        ys = page.js(
            "return [...document.querySelectorAll('#map circle')].map((dot) => dot.cy.baseVal.value)"
        )
        kept = table[table["m"].notna()].sort_values("b")
        slope = np.polyfit(np.log(kept["b"]), sorted(ys, reverse=True), 1)
        np.testing.assert_allclose(sorted(ys, reverse=True), np.polyval(slope, np.log(kept["b"])), atol=0.01)
        lowest = page.text("#fix-2 option:nth-child(2)")
        assert lowest.startswith("lowest third: ")
        page.choose("#fix-2", lowest)
        assert len(page.cells()) == 200 // 3

    def test_one_field_needs_no_map(self, show: Open) -> None:
        page = show(made_up()[["seed", "share"]], ["seed"])
        assert not page.one("#map-part").is_displayed()
        assert not page.one("#x").is_displayed()
        assert len(page.all("#marginals .panel")) == 1


class TestMarginals:
    def test_mean_and_spread_over_seeds_of_every_field(self, show: Open) -> None:
        table = made_up()
        page = show(table, FIELDS)
        panels = page.all("#marginals .panel")
        assert len(panels) == 4
        for place, name in enumerate([GAIN, TAU]):
            means = table.groupby(name)["rate.exc"].mean()
            drawn = page.js(
                "return [...arguments[0].querySelectorAll('.dot')].map((dot) => dot.dataset.mean)",
                panels[place],
            )
            np.testing.assert_allclose([float(value) for value in drawn], means, rtol=1e-6)
            spread = table.groupby([name, "seed"])["rate.exc"].mean().groupby(level=0).std()
            drawn = page.js(
                "return [...arguments[0].querySelectorAll('.seeds')].map((bar) => bar.dataset.sd)",
                panels[place],
            )
            np.testing.assert_allclose([float(value) for value in drawn], spread, rtol=1e-5)

    def test_a_fixed_field_narrows_the_others_and_keeps_its_own(self, show: Open) -> None:
        table = made_up()
        page = show(table, FIELDS)
        page.choose("#fix-2", "low")
        drawn = page.js(
            "return [...document.querySelectorAll('[data-field=\"0\"] .dot')].map((dot) => dot.dataset.mean)"
        )
        means = table[table[NOISE] == "low"].groupby(GAIN)["rate.exc"].mean()
        np.testing.assert_allclose([float(value) for value in drawn], means, rtol=1e-6)
        assert len(page.all("[data-field='2'].panel .dot")) == 2
        assert len(page.all("[data-field='2'].panel .fixed")) == 1

    def test_they_are_told_to_those_who_cannot_see_them(self, show: Open) -> None:
        page = show(made_up(), FIELDS)
        label = page.one("[data-field='2'].panel svg").get_attribute("aria-label")
        assert re.match(r"rate.exc by noise. 2 of 2 places have values; low: [\d.]+; high: [\d.]+$", label)


class TestPoints:
    def test_every_column_sorts_both_ways_with_what_is_missing_last(self, show: Open) -> None:
        table = made_up()
        page = show(table, FIELDS)
        for name, values in {
            "rate.exc": table["rate.exc"],
            "gain": table[GAIN],
            "regime": table["regime"],
        }.items():
            for down in (False, True):
                page.one(f"button[title$='{GAIN if name == 'gain' else name}']").click()
                shown = [int(text) for text in page.column("point")]
                wanted = values.sort_values(ascending=not down, kind="stable", na_position="last").index
                assert shown == list(wanted[: len(shown)])
                state = page.one("th[aria-sort]:not([aria-sort='none'])").get_attribute("aria-sort")
                assert state == ("descending" if down else "ascending")
        for head in range(len(page.all("#points th button"))):
            page.all("#points th button")[head].click()
            assert page.one(f"#points th:nth-child({head + 1})").get_attribute("aria-sort") == "ascending"

    def test_paging_shows_every_point_once(self, show: Open) -> None:
        page = show(made_up(), FIELDS)
        seen = page.column("point")
        while page.one("#next").is_enabled():
            page.one("#next").click()
            seen += page.column("point")
        assert [int(text) for text in seen] == list(range(72))
        assert page.text("#count") == "51 to 72 of 72 points"
        page.one("#first").click()
        assert not page.one("#back").is_enabled()
        page.one("#last").click()
        page.one("#back").click()
        assert page.text("#count") == "26 to 50 of 72 points"

    def test_a_recording_is_one_click_away(self, show: Open, tmp_path: Path) -> None:
        table = made_up()
        folder = tmp_path / "my study #1" / "recordings"
        folder.mkdir(parents=True)
        (folder / table["recording"][0]).write_bytes(b"here")
        page = show(table, FIELDS, recordings="../my study #1/recordings")
        address = page.one("#points tbody a").get_property("href")
        assert address == (folder / table["recording"][0]).as_uri()
        assert page.all("#points tbody tr")[0].text.endswith("gain 0.5 #0.nc")


class TestFailures:
    def test_reasons_and_tracebacks_unfold(self, show: Open) -> None:
        page = show(made_up(), FIELDS)
        groups = page.all("#failures > details")
        assert [group.text.split(": ")[0] for group in groups] == ["2 points", "2 points"]
        assert "blow-up " + ATTACK in groups[0].text
        groups[1].find_element("css selector", "summary").click()
        points = page.appear("#failures > details:nth-child(2) > details")
        assert [point.text for point in points] == [
            f"point {row}: gain = 2, tau_m = 100 ms, noise = {noise}, seed = 2 (3 tries)"
            for row, noise in ((68, "low"), (71, "high"))
        ]
        points[1].find_element("css selector", "summary").click()
        assert "Traceback of seed 2" in points[1].text
        assert ATTACK in points[1].text

    def test_none_failed(self, show: Open) -> None:
        page = show(made_up().iloc[:6], FIELDS)
        assert page.text("#failures") == "None."

    def test_many_come_in_parts(self, show: Open) -> None:
        table = pd.DataFrame(
            {"x": range(120), "m": np.nan, "status": "failed", "reason": [f"reason {k}" for k in range(120)]}
        )
        page = show(table, ["x"])
        for wanted in (25, 50, 75, 100, 120):
            assert len(page.all("#failures > details")) == wanted
            if wanted < 120:
                page.one("#failures > .more").click()
        assert not page.one("#failures > .more").is_displayed()
        page.one("#failures > details summary").click()
        page.appear("#failures > details details summary")[0].click()
        assert page.text("#failures pre") == "no traceback was kept"


class TestWhole:
    def test_every_choice_of_every_control_draws(self, show: Open) -> None:
        page = show(made_up(), FIELDS)
        for select in [element.get_attribute("id") for element in page.all(".controls select")]:
            count = page.js("return document.getElementById(arguments[0]).options.length", select)
            for place in [*range(count), 0]:
                page.js(
                    "const select = document.getElementById(arguments[0]);"
                    "select.selectedIndex = arguments[1]; select.dispatchEvent(new Event('change'))",
                    select,
                    place,
                )
                assert page.cells()
        page.quiet()

    def test_every_control_has_a_name(self, show: Open) -> None:
        page = show(made_up(), FIELDS)
        controls = page.all("select, input, button, [tabindex], details > summary")
        assert len(controls) > 20
        assert [control.get_attribute("outerHTML") for control in controls
                if control.is_displayed() and not control.accessible_name] == []  # fmt: skip

    @pytest.mark.parametrize("kind", ["grid", "random"])
    def test_ten_thousand_points(self, show: Open, kind: str) -> None:
        rng = np.random.default_rng(2)
        x, y = (
            (np.repeat(np.arange(100), 100), np.tile(np.arange(100), 100))
            if kind == "grid"
            else rng.uniform(size=(2, 10_000))
        )
        table = pd.DataFrame(
            {"x": x, "y": y, "m": rng.uniform(size=10_000), "recording": [f"{k}.nc" for k in range(10_000)]}
        )
        page = show(table, ["x", "y"], recordings="recordings")
        assert len(page.cells()) == 10_000
        assert page.text("#count") == "1 to 25 of 10,000 points"
        loaded = page.js("return performance.getEntriesByType('navigation')[0].loadEventEnd")
        print(f"10 000 points, {kind}: loaded and drawn after {loaded:.0f} ms")

    def test_it_prints(self, show: Open) -> None:
        import base64

        page = show(made_up(), FIELDS)
        assert len(base64.b64decode(page.browser.print_page())) > 20_000
        page.browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": "print"})
        assert not page.one(".controls").is_displayed()
        assert page.one("#map-caption").is_displayed()
        page.browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": ""})

    @pytest.mark.parametrize("rows", [0, 1])
    def test_a_study_that_has_just_begun_opens(self, show: Open, rows: int) -> None:
        page = show(made_up().iloc[:rows], FIELDS, planned=72)
        assert len(page.cells()) == rows

    def test_a_narrow_screen_scrolls_only_tables(self, show: Open) -> None:
        page = show(made_up(), FIELDS)
        page.browser.set_window_size(500, 900)
        try:
            assert (
                page.js("return document.documentElement.scrollWidth - document.documentElement.clientWidth")
                <= 0
            )
        finally:
            page.browser.set_window_size(1300, 1000)
