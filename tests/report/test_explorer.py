"""The explorer: its data, its script in Chromium compared with the library, and the page as readers use it."""

import functools
import io
import json
import re
import shutil
import urllib.parse
import warnings
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from bs4 import BeautifulSoup

from conftest import ROOT
from lib.evidence import GROUPS, REGIMENS, load
from lib.report import explorer
from lib.report.counted import counts_of, pool_counts
from lib.report.explorer.page import ESTIMATORS, INTERVALS, SCALES
from lib.report.explorer.records import as_json, quantiles, records
from lib.stats import PoolingWarning, pool_proportions, proportion_interval

STATIC = ROOT / "book" / "_static"
SCRIPT = (STATIC / "explorer.js").read_text(encoding="utf-8")
POLICY = "default-src 'none'; script-src 'self'; style-src 'self'; img-src data:"
HOSTILE = "<img src=x onerror=alert(1)></script><b>&amp;\u2028=cmd"


@pytest.fixture(scope="module")
def page_text(ev) -> str:
    return explorer.explore(ev)._repr_html_()


def write_page(folder: Path, text: str, theme: str = "light") -> str:
    """Write a page with the explorer, its script and its style into a folder, and return the page's address."""
    for name in ("explorer.js", "explorer.css", "figures.css", "review.css"):
        shutil.copy(STATIC / name, folder)
    head = "".join(f'<link rel="stylesheet" href="{name}.css">' for name in ("review", "figures", "explorer"))
    (folder / "page.html").write_text(
        f'<!doctype html><html lang="en" data-theme="{theme}"><head><meta charset="utf-8"><title>Explorer</title>'
        f'<meta name="viewport" content="width=device-width"><meta http-equiv="Content-Security-Policy" '
        f'content="{POLICY}">{head}<script src="explorer.js" defer></script></head><body><main class="bd-content">'
        f'<div class="cell_output">{text}</div></main></body></html>',
        encoding="utf-8",
    )
    return (folder / "page.html").as_uri()


@pytest.fixture(scope="module")
def address(page_text, tmp_path_factory) -> str:
    return write_page(tmp_path_factory.mktemp("explorer"), page_text)


@pytest.fixture
def open_page(browser, address):
    """Open the explorer from a file; fail on any error of the console, of the script, or of the security policy."""
    contexts, wrong = [], []

    def open_page(selection: str = "", at: str = address, width: int = 1280, **options):
        contexts.append(browser.new_context(viewport={"width": width, "height": 900}, **options))
        tab = contexts[-1].new_page()
        tab.on("console", lambda said: wrong.append(said.text) if said.type in ("error", "warning") else None)
        tab.on("pageerror", lambda error: wrong.append(str(error)))
        tab.on("request", lambda r: None if r.url.startswith(("file:", "data:", "blob:")) else wrong.append(r.url))
        tab.goto(f"{at}{selection}")
        return tab

    yield open_page
    for context in contexts:
        context.close()
    assert wrong == []


def part(tab, name: str):
    return tab.locator(f'[data-part="{name}"]')


def text_of(tab, name: str) -> str:
    return re.sub(r"\s+", " ", part(tab, name).text_content()).strip()


# --- The data and the script as files ---------------------------------------------------------------------


def test_every_arm_and_count_that_a_reader_may_select_is_in_the_data(ev):
    arms = records(ev)["arms"]
    counts = ev.reported_counts()
    counts = counts[counts.role.isin(REGIMENS) & ev.is_included(counts.study)]
    assert {(a["study"], a["arm"]) for a in arms} >= {*zip(counts.study, counts.arm, strict=True)}
    found = sorted((a["study"], a["arm"], c["threshold"], c["site"], c["n"]) for a in arms for c in a["counts"])
    assert found == sorted(zip(counts.study, counts.arm, counts.threshold, counts.site, counts.n, strict=True))
    included = {key for edition in ("original", "update") for key in ev.included(edition).study}
    treated = {*ev.arms.study[ev.arms.role.isin(REGIMENS)]}
    assert {a["study"] for a in arms} == included & treated


def test_the_original_edition_has_no_later_study():
    original = load(ROOT / "data", "2018-08-06")
    assert {arm["edition"] for arm in records(original)["arms"]} == {"original"}
    soup = BeautifulSoup(explorer.explore(original)._repr_html_(), "html.parser")
    assert [option["value"] for option in soup.select('input[name="edition"]')] == ["original"]


def test_text_in_the_data_cannot_end_the_script_element():
    text = as_json({"label": HOSTILE})
    assert not set(text) & set("<>&\u2028\u2029")
    assert json.loads(text) == {"label": HOSTILE}
    with pytest.raises(ValueError, match="JSON"):
        as_json({"n": float("nan")})


def test_the_script_is_small_classic_and_sets_text_only():
    assert len(SCRIPT.encode()) <= 40_000
    for forbidden in ("innerHTML", "outerHTML", "insertAdjacent", "document.write", "eval(", "Function(", "fetch("):
        assert forbidden not in SCRIPT, forbidden
    assert not re.search(r"^\s*(import|export)\b|XMLHttpRequest|import\(", SCRIPT, re.MULTILINE)


def test_every_control_has_a_name_that_is_read_aloud(page_text):
    soup = BeautifulSoup(page_text, "html.parser")
    fields = soup.select("form :is(input, select)")
    assert len(fields) > 60
    for field in fields:
        assert field.find_parent("label").get_text(strip=True), field
    groups = [group.find("legend").get_text() for group in soup.select("fieldset")]
    assert len(groups) == len(set(groups)) > 12
    ids = [tag["id"] for tag in soup.select("[id]")]
    assert len(ids) == len(set(ids))


# --- Numbers: the script and the library ------------------------------------------------------------------

FIELDS = ("estimate", "se", "ci_low", "ci_high", "pi_low", "pi_high", "tau2", "i2", "h2", "q", "q_p")
METHODS = [(scale, tau2, ci) for scale in SCALES for tau2 in ESTIMATORS for ci in INTERVALS]
POOL = """([cases, quantiles]) => cases.map(([rows, scale, tau2, ci]) =>
    EvidenceExplorer.pool(rows, {scale, tau2, ci}, quantiles))"""


def random_counts(rng: np.random.Generator, known: np.ndarray) -> np.ndarray:
    """Return events and n of a random selection: real counts, or synthetic ones of every kind, also at 0% and 100%."""
    k = int(rng.choice([0, 1, 2, 3, 5, 8, 13, 40]))
    kind = rng.integers(5)
    if kind == 0:
        return known[rng.choice(len(known), size=min(k, len(known)), replace=False)]
    n = rng.integers(1, 400 if kind == 1 else 60, size=k)
    p = {1: rng.beta(2, 3, k), 2: rng.beta(0.3, 0.3, k), 3: np.full(k, rng.uniform(0.1, 0.9))}.get(int(kind))
    events = rng.binomial(n, p) if p is not None else n * rng.integers(0, 2, k) if rng.random() < 0.5 else 0 * n
    return np.column_stack([events, n]) if k else np.empty((0, 2), dtype=int)


@pytest.mark.browser
def test_the_script_pools_as_the_library_does(ev, open_page):
    """Over 500 seeded selections and methods, with none, one and two studies, no responders and only responders."""
    rng = np.random.default_rng(20190529)
    known = ev.reported_counts()[["events", "n"]].astype(int).to_numpy()
    selections = [random_counts(rng, known) for _ in range(810)]
    selections += [np.array(fixed, dtype=int).reshape(-1, 2) for fixed in ([], [[0, 12]], [[12, 12]], [[5, 12]])]
    selections += [
        np.array(fixed) for fixed in ([[0, 9], [0, 20]], [[9, 9], [7, 7]], [[3, 9], [3, 9]], [[0, 9], [9, 9]])
    ]
    cases = [(counts, *METHODS[i % len(METHODS)]) for i, counts in enumerate(selections)]
    cases += [(counts, *method) for counts in selections[-8:] for method in METHODS]
    sent = [([{"events": int(x), "n": int(n)} for x, n in counts], *method) for counts, *method in cases]
    answers = open_page().evaluate(POOL, [sent, quantiles(80)])
    worst = 0.0
    for (counts, scale, tau2, ci), found in zip(cases, answers, strict=True):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", PoolingWarning)
            wanted = pool_proportions(counts[:, 0], counts[:, 1], transform=scale, tau2=tau2, ci=ci)
        where = f"{scale} {tau2} {ci} {counts.tolist()}"
        assert (found["k"], found["q_df"], found["predicts"]) == (wanted.k, wanted.q_df, bool(wanted.predicts)), where
        assert found["dropped"] == wanted.dropped.tolist(), where
        pairs = [(found[name], getattr(wanted, name)) for name in FIELDS]
        pairs += zip(found["weights"], wanted.weights.tolist() if wanted.k else [0.0] * len(counts), strict=True)
        for x, y in pairs:
            if y == y:
                worst = max(worst, abs(x - y) / max(abs(y), 1e-12))
            else:
                assert x != x, where
            assert y != y or abs(x - y) <= 1e-9 * max(abs(y), 1e-12), (where, x, y)
    assert 0 < worst < 1e-9
    assert {len(counts) for counts, *_ in cases} >= {0, 1, 2}


# --- Selections -------------------------------------------------------------------------------------------

SELECT = """filters => { const found = EvidenceExplorer.select(EvidenceExplorer.prepare(JSON.parse(
    document.querySelector('[data-part="data"]').textContent)), filters);
    return found.studies.map(({key, events, n}) => [key, events, n]); }"""


def filters_of(outcome) -> dict:
    population, site = GROUPS[outcome.group]
    many = {"population": [population]} if population != "all" else {}
    return {
        "one": {"regimen": outcome.regimen, "threshold": outcome.threshold, "site": site},
        "many": many,
        "ranges": {},
    }


@pytest.mark.browser
def test_the_studies_of_every_outcome_are_those_of_the_library(ev, open_page):
    tab, compared = open_page(), 0
    for outcome in ev.all_outcomes():
        studies = counts_of(outcome)
        found = sorted(tab.evaluate(SELECT, filters_of(outcome)))
        wanted = sorted([row.study, int(row.events), int(row.n)] for row in studies.itertuples())
        assert found == wanted, outcome
        compared += len(wanted)
    assert compared > 20


@pytest.mark.browser
def test_the_studies_without_counts_are_all_others_of_the_regimen(ev, open_page):
    for regimen in REGIMENS:
        tab = open_page(f"#regimen={regimen}&threshold=ge50")
        found = tab.evaluate(
            "(({selection: s}) => [s.studies, s.without].map(l => l.map(i => i.key)))(EvidenceExplorer.current())"
        )
        treated = ev.arms.study[ev.arms.role == regimen]
        assert sorted(found[0] + found[1]) == sorted({*treated[ev.is_included(treated)]})
        for key in found[1]:
            label = ev.studies.label[ev.studies.study == key].iloc[0]
            assert label in text_of(tab, "without")
        assert f"{len(found[1])} other studies in this selection have no available counts" in text_of(tab, "uncounted")


def synthetic_arm(key: str, counts: list[dict], **values) -> dict:
    arm = {"study": key, "label": f"Synthetic trial {key}", "arm": "tacrolimus", "part": 1, "year": 2020, "duration": 6}
    arm |= {
        "population": "all",
        "subtypes": [],
        "regimen": "monotherapy",
        "drug": "tacrolimus",
        "concentration": "0.1%",
    }
    arm |= {"design": "PD", "randomised": "yes", "blinding": "", "country": "", "edition": "update", "reported": []}
    count = {"site": "all", "population": "all", "subtype": "", "threshold": "ge50", "unit": "patients", "n": 20}
    count |= {"basis": "stated", "confidence": "high", "detail": "", "events": 5, "poolable": "yes", "why": ""}
    return arm | values | {"counts": [count | {"source": "Synthetic", "link": ""} | given for given in counts]}


SELECT_IN = """([arms, many]) => { const s = EvidenceExplorer.select(EvidenceExplorer.prepare({arms}),
    {one: {regimen: "", threshold: "ge50", site: "all"}, many, ranges: {}});
    return [...["studies", "without", "mixed", "further"].map(name => s[name].map(i => i.events ?? i.key))]; }"""


@pytest.mark.browser
def test_no_participant_is_counted_twice(open_page):
    tab = open_page()

    def selected(*arms, **many):
        return tab.evaluate(SELECT_IN, [list(arms), many])

    two_arms = [synthetic_arm("synthetic1", [{}]), synthetic_arm("synthetic1", [{"events": 7}], arm="pimecrolimus")]
    assert selected(*two_arms) == [[12], [], [], []]
    within = [{**arm, "design": "WP"} for arm in two_arms]
    assert selected(*within) == [[5], [], [], ["synthetic1"]]
    parts = [within[0], {**within[1], "part": 2}]
    assert selected(*parts)[0] == [12]
    types = [
        {},
        {"subtype": "NSV", "poolable": "subgroup", "n": 15, "events": 4},
        {"subtype": "SV", "poolable": "subgroup", "events": 1},
    ]
    by_type = synthetic_arm("synthetic2", types, subtypes=["NSV", "SV"])
    assert selected(by_type) == [[5], [], [], []]
    assert selected(by_type, subtype=["SV"]) == [[1], [], [], []]
    assert selected(by_type, subtype=["NSV", "SV"]) == [[5], [], [], ["synthetic2", "synthetic2"]]
    part_and_whole = [{"population": "children", "events": 2}, {"events": 6}]
    by_age = synthetic_arm("synthetic7", part_and_whole)
    assert selected(by_age) == [[6], [], [], ["synthetic7"]]
    assert selected(by_age, population=["children"]) == [[2], [], [], []]
    interim = synthetic_arm("synthetic3", [{"poolable": "no", "why": "interim assessment"}])
    assert selected(interim) == [[], ["synthetic3"], [], []]
    assert selected(synthetic_arm("synthetic4", [{}]), unit=["patches"]) == [[], [], [], ["synthetic4"]]
    assert selected(synthetic_arm("synthetic5", []), population=["children"]) == [[], [], ["synthetic5"], []]
    assert selected(synthetic_arm("synthetic6", [], population="adult"), population=["children"]) == [[]] * 4


# --- The same in Python -----------------------------------------------------------------------------------

ADDRESSES = [
    "#threshold=ge75",
    "#threshold=ge50&scale=logit&tau2=REML&ci=hksj",
    "#threshold=ge25&scale=logit&tau2=PM&ci=mkh",
    "#regimen=phototherapy&threshold=ge75&tau2=REML",
    "#regimen=phototherapy&threshold=ge75&tau2=PM&omit=alam",
    "#regimen=&threshold=ge50&drug=tacrolimus&randomised=yes",
    "#threshold=any&drug=pimecrolimus&drug=tacrolimus",
    "#threshold=ge50&site=face_neck",
    "#threshold=ge50&subtype=NSV",
    "#threshold=ge50&subtype=SV&scale=logit",
    "#threshold=ge75&year-from=2020",
    "#regimen=phototherapy&threshold=ge75&site=other",
]


load_once = functools.cache(load)


@pytest.mark.browser
@pytest.mark.filterwarnings("ignore::lib.stats.arguments.LeftOutWarning")
@pytest.mark.parametrize("selection", ADDRESSES)
def test_the_python_code_gives_the_numbers_of_the_page(selection, open_page, monkeypatch, capsys):
    tab = open_page(selection)
    shown = tab.evaluate("EvidenceExplorer.current().result")
    code, names = part(tab, "python").text_content(), {}
    monkeypatch.chdir(ROOT)
    monkeypatch.setattr("lib.evidence.load", load_once)
    exec(code, names)
    studies = tab.evaluate("EvidenceExplorer.current().studies.map(({key, events, n}) => [key, events, n])")
    assert studies
    assert sorted(studies) == sorted(
        map(list, zip(names["studies"].study, names["studies"].events, names["studies"].n, strict=True))
    )
    if len(studies) == 1:
        assert (names["low"][0], names["high"][0]) == proportion_interval(names["studies"].events, names["studies"].n)
        percents = [f"{100 * names[name].item():.1f}%" for name in ("estimate", "low", "high")]
        assert re.findall(r"\d+\.\d%", text_of(tab, "answer")) == percents
        return
    assert "Pooled result" in capsys.readouterr().out
    for name in FIELDS:
        assert shown[name] == pytest.approx(getattr(names["result"], name), rel=1e-9, abs=1e-14, nan_ok=True), name


@pytest.mark.browser
def test_the_answer_is_that_of_the_book(ev, open_page):
    outcome = ev.outcome("monotherapy", "ge75")
    pooled = pool_counts(pd.concat([outcome.available, outcome.new]))
    assert text_of(open_page(), "answer").startswith(
        f"Pooled rate {100 * pooled.estimate:.1f}% (95% CI {100 * pooled.ci_low:.1f}% to {100 * pooled.ci_high:.1f}%);"
        f" {pooled.k} studies"
    )


# --- The page as readers use it ---------------------------------------------------------------------------


def choose(tab, group: str, option: str) -> None:
    tab.get_by_role("group", name=group, exact=True).get_by_label(option, exact=True).check()


@pytest.mark.browser
def test_a_question_without_an_available_count_is_answered(ev, open_page):
    """Randomised trials of tacrolimus 0.1% in children, at least 50%."""
    tab = open_page()
    choose(tab, "Response", "≥50% repigmentation")
    choose(tab, "Age of those counted", "children")
    choose(tab, "Drug", "tacrolimus")
    choose(tab, "Concentration", "0.1%")
    choose(tab, "Allocation", "randomised")
    assert text_of(tab, "answer") == "No available counts."
    studies = ev.studies[(ev.studies.population == "children") & (ev.studies.randomised == "yes")]
    arms = ev.arms[(ev.arms.role == "monotherapy") & (ev.arms.drug == "tacrolimus") & (ev.arms.concentration == "0.1%")]
    labels = [*studies.label[studies.study.isin(arms.study)]]
    assert labels
    assert f"{len(labels)} studies in this selection have no available counts" in text_of(tab, "uncounted")
    assert all(label in text_of(tab, "without") for label in labels)
    assert not part(tab, "table").is_visible() and not part(tab, "statistics").is_visible()
    assert part(tab, "answer").locator("xpath=..").get_attribute("aria-live") == "polite"


@pytest.mark.browser
def test_the_selection_is_in_the_address_and_a_shared_one_is_checked(open_page):
    tab = open_page()
    assert urllib.parse.urlsplit(tab.url).fragment == ""
    choose(tab, "Drug", "tacrolimus")
    tab.get_by_role("checkbox", name="Kanwar 2004").uncheck()
    tab.locator("details").nth(1).locator("summary").click()
    tab.get_by_label("Scale on which").select_option("logit")
    shared = urllib.parse.urlsplit(tab.url).fragment
    assert urllib.parse.parse_qs(shared)["omit"] == ["kanwar2004"]
    again = open_page(f"#{shared}")
    assert text_of(again, "answer") == text_of(tab, "answer")
    assert not again.get_by_role("checkbox", name="Kanwar 2004").is_checked()
    assert "Unticked and not pooled: Kanwar 2004." in text_of(again, "notes")
    odd = open_page("#drug=<b>x</b>&year-from=nonsense&scale=none&omit=nobody&tau2=REML&made=up")
    ignored = "drug=<b>x</b>, year-from=nonsense, scale=none, omit=nobody, made=up"
    assert f"Ignored, as this edition has no such filter: {ignored}." in text_of(odd, "notes")
    assert odd.evaluate("EvidenceExplorer.current().method") == {"scale": "raw", "tau2": "REML", "ci": "normal"}
    odd.evaluate("location.hash = 'threshold=ge25'")
    odd.wait_for_function("EvidenceExplorer.current().filters.one.threshold === 'ge25'")
    assert "Ignored" not in text_of(odd, "notes")
    odd.get_by_role("button", name="Remove all filters").click()
    assert odd.evaluate("EvidenceExplorer.current().filters.one.threshold") == "ge75"


@pytest.mark.browser
def test_it_works_with_the_keyboard_alone(open_page):
    tab = open_page()
    tab.keyboard.press("Tab")
    assert tab.evaluate("document.activeElement.name") == "regimen"
    tab.keyboard.press("ArrowDown")
    assert tab.evaluate("EvidenceExplorer.current().filters.one.regimen") == "phototherapy"
    box = tab.get_by_role("checkbox", name="Bilal 2014")
    box.focus()
    before = text_of(tab, "answer")
    tab.keyboard.press("Space")
    assert text_of(tab, "answer") != before
    assert box.evaluate("box => box === document.activeElement && !box.checked")
    tab.keyboard.press("Space")
    assert text_of(tab, "answer") == before


@pytest.mark.browser
def test_rows_and_plot_can_be_downloaded(open_page):
    tab = open_page("#threshold=ge50&omit=parsad2020")
    files = {}
    for name in ("csv", "svg", "png"):
        with tab.expect_download() as waiting:
            part(tab, name).click()
        files[name] = Path(waiting.value.path()).read_bytes()
        assert re.fullmatch(rf"vitiligo-monotherapy-ge50-\d{{4}}-\d\d-\d\d\.{name}", waiting.value.suggested_filename)
    rows = pd.read_csv(io.BytesIO(files["csv"]), keep_default_na=False).set_index("study")
    state = tab.evaluate(
        "(({selection: s}) => [s.studies.length, s.without.length + s.mixed.length])(EvidenceExplorer.current())"
    )
    assert [(rows.events != "").sum(), (rows.events == "").sum()] == state
    assert rows.loc["kanwar2004", ["label", "events", "n", "pooled"]].tolist() == ["Kanwar 2004", "16", "22", "yes"]
    assert rows.loc["parsad2020", ["pooled", "remark"]].tolist() == ["no", "unticked"]
    plot = BeautifulSoup(files["svg"], "html.parser")
    words = [text.get_text() for text in plot.select("text")]
    assert {"Kanwar 2004", "16/22"} <= {*words} and "Parsad 2020" not in words
    assert plot.svg["xmlns"] == "http://www.w3.org/2000/svg"
    assert files["png"].startswith(b"\x89PNG")
    assert int.from_bytes(files["png"][16:20]) == 2 * 820


@pytest.mark.browser
def test_csv_is_safe_for_a_spreadsheet(open_page):
    texts = ["=1+1", "+1", "-1", "@x", "\t=1", " =1", 'say "a, b"', "plain"]
    text = open_page().evaluate("texts => EvidenceExplorer.csv(texts.map(text => [text, -3]))", texts)
    rows = pd.read_csv(io.StringIO(text.removeprefix("\ufeff")), header=None)
    assert rows[0].tolist() == ["'=1+1", "'+1", "'-1", "'@x", "'\t=1", "' =1", 'say "a, b"', "plain"]
    assert set(rows[1]) == {-3}


@pytest.mark.browser
def test_text_from_the_data_is_never_markup(ev, open_page, tmp_path):
    studies, arms = ev.studies.copy(), ev.arms.copy()
    studies.loc[studies.study == "kanwar2004", "label"] = HOSTILE
    arms.loc[arms.study == "kanwar2004", "drug"] = HOSTILE
    text = explorer.explore(ev.with_tables(studies=studies, arms=arms))._repr_html_()
    tab = open_page("#threshold=ge50", at=write_page(tmp_path, text))
    assert HOSTILE in part(tab, "studies").inner_text().replace("\n", "")
    assert tab.get_by_role("group", name="Drug", exact=True).get_by_label(HOSTILE).count() == 1
    assert tab.locator("img, .explorer b").count() == 0


@pytest.mark.browser
def test_without_javascript_there_are_static_plots(open_page):
    tab = open_page(java_script_enabled=False)
    plots = tab.locator("noscript .review-plot")
    assert plots.count() == len(REGIMENS)
    assert all(plots.nth(i).get_attribute("aria-label") for i in range(plots.count()))
    # The style sheet, and not the figure, hides one of the two forms.
    shown = tab.locator("noscript .review-plot > svg:visible")
    assert shown.count() == len(REGIMENS)
    assert not part(tab, "app").is_visible()
    assert "JavaScript" in part(tab, "waiting").inner_text()


SMALLEST = """() => Math.min(...[...document.querySelectorAll("#explorer *")]
    .filter(e => e.checkVisibility() && [...e.childNodes].some(c => c.nodeType === 3 && c.textContent.trim()))
    .map(e => parseFloat(getComputedStyle(e).fontSize)))"""
OVERFLOWING = """plot => [...plot.querySelectorAll("text")].filter(text => {
    const {x, width} = text.getBBox();
    return x < -1 || x + width > plot.viewBox.baseVal.width + 1;
}).map(text => text.textContent)"""


@pytest.mark.browser
@pytest.mark.parametrize(("width", "theme"), [(1280, "light"), (360, "light"), (360, "dark")])
def test_it_fits_and_its_text_is_legible(width, theme, page_text, open_page, tmp_path):
    at = write_page(tmp_path, page_text, theme)
    tab = open_page("#threshold=any&unit=patients&ci=hksj", at=at, width=width)
    for fold in tab.locator("details").all():
        fold.evaluate("fold => { fold.open = true }")
    assert tab.evaluate("document.documentElement.scrollWidth") <= width
    plot = tab.locator("svg.explorer-forest")
    assert plot.evaluate("plot => plot.getBoundingClientRect().width") <= width
    assert tab.evaluate(SMALLEST) >= 12
    assert plot.evaluate(OVERFLOWING) == []
    studies = text_of(tab, "studies")
    assert plot.get_attribute("aria-label").count("(") >= len(re.findall("confidence", studies))


@pytest.mark.browser
def test_very_many_studies_are_shown_in_part_and_pooled_whole(ev, open_page, tmp_path):
    """Synthetic studies; nothing of them is evidence."""
    data = records(ev)
    arms = [synthetic_arm(f"synthetic{i:04d}", [{"events": i % 19 + 1}]) for i in range(400)]
    text = (
        explorer.explore(ev)
        ._repr_html_()
        .replace(as_json(data), as_json({**data, "arms": arms, "quantiles": quantiles(400)}))
    )
    tab = open_page("#threshold=ge50", at=write_page(tmp_path, text))
    assert "400 studies" in text_of(tab, "answer")
    assert tab.locator("[data-part=studies] input").count() == 100
    assert "300 more studies not drawn" in tab.locator("svg.explorer-forest").get_attribute("aria-label")
    tab.get_by_role("button", name="Show all 400 studies").click()
    assert tab.locator("[data-part=studies] input").count() == 400


@pytest.mark.book
@pytest.mark.browser
def test_the_book_loads_the_script_on_this_page_alone(book, open_page):
    pages = sorted((book / "_build/html/book").glob("*.html"))
    with_script = [path for path in pages if "explorer.js" in path.read_text(encoding="utf-8")]
    assert [path.stem for path in with_script] == ["explore"]
    tab = open_page("#threshold=ge50", at=with_script[0].as_uri())
    assert text_of(tab, "answer").startswith("Pooled rate")
    assert not part(tab, "waiting").is_visible()
