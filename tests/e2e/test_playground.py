"""The playground as a visitor meets it, in a real browser."""

import json
from collections.abc import Iterator
from dataclasses import replace

import pytest

from tests.e2e.conftest import Visit
from tests.faults.process import wait_for
from tests.mixes import mix_store, mixigen_draft, schema
from tests.servers import Service, serving
from tests.stores import N_ITEMS, id_array, item_id, tiny_interactions, user_id
from training.artifacts import data_draft

expect = pytest.importorskip("playwright.sync_api", reason="install the extra `test`: make install").expect

USER = str(user_id(0))


def column(visit: Visit, title: str) -> list[str]:
    """Ids of the items of a column, in order."""
    return visit.page.locator(f'[data-column="{title}"] .item').evaluate_all("all => all.map(one => one.dataset.item)")


def linked(visit: Visit) -> list[str]:
    """Columns in which an item is highlighted."""
    return visit.page.locator(".item.linked").evaluate_all(
        "all => all.map(one => one.closest('.column').dataset.column)"
    )


def answer(visit: Visit, route: str, **body: object) -> dict:
    return visit.page.request.post(f"{visit.service.address}/{route}", data={**body, "ids": "string"}).json()


def test_a_visitor_sees_what_the_service_answers(visit: Visit) -> None:
    visit.open()
    visit.page.get_by_label("User id").fill(USER)
    visit.page.get_by_role("button", name="Show candidates").click()
    visit.page.wait_for_selector("#board .item")
    assert visit.status().startswith(f"User {USER}: 3 distinct items in the history, 4 lists. Mixed by mixigen.")
    assert set(column(visit, "History")) == {str(item_id(item)) for item in range(3)}
    for cg in ("ease", "slim", "personal_top"):
        own = answer(visit, "candidates", user_id=USER, n=20, cg=cg)["items"]
        assert column(visit, cg) == [item["item_id"] for item in own]
    shown = visit.page.locator('[data-column="Mix"] .item').first.text_content()
    assert "item " in shown
    assert visit.page.locator('[data-column="ease"] .note').text_content().split()[1].startswith("ms")
    assert f"user={USER}" in visit.page.url
    visit.shot("board")
    assert visit.said == []


def test_items_are_linked_by_pointer_and_by_keyboard(visit: Visit) -> None:
    visit.open_board(f"?user={USER}")
    first = visit.page.locator('[data-column="ease"] .item').first
    first.hover()
    places = linked(visit)
    assert "ease" in places
    assert len(places) > 1
    text = visit.page.locator("#inspector").text_content()
    assert "ease #1" in text
    assert first.get_attribute("data-item") in text
    visit.page.mouse.move(0, 0)
    visit.page.locator('[data-column="Mix"] .item').first.focus()
    visit.page.keyboard.press("ArrowDown")
    assert visit.page.evaluate("document.activeElement.dataset.item") == column(visit, "Mix")[1]
    visit.page.keyboard.press("ArrowRight")
    assert visit.page.evaluate("document.activeElement.closest('.column').dataset.column") == "slim"
    assert visit.page.locator('[data-column="slim"] .item[tabindex="0"]').count() == 1
    assert "slim" in linked(visit)
    assert visit.said == []


def test_the_form_changes_what_is_asked(visit: Visit) -> None:
    visit.open_board(f"?user={USER}")
    page = visit.page
    page.get_by_label("Strategy of the mix").select_option("round_robin")
    page.get_by_text("Mixed by round_robin").wait_for()
    page.get_by_label("Items of the history").select_option("exclude")
    expect(page.locator('[data-column="personal_top"] .item:not(:has(.fill))')).to_have_count(0)
    page.locator("#n").fill("5")
    page.locator("#n").dispatch_event("change")
    expect(page.locator('[data-column="Mix"] .item')).to_have_count(5)
    page.get_by_role("checkbox", name="slim").uncheck()
    expect(page.locator('[data-column="slim"]')).to_have_count(0)
    page.get_by_label("City").select_option("Bonn")
    page.locator("#hour").fill("7")
    assert page.locator("#hour-shown").text_content() == "07:00"
    page.locator("#hour").dispatch_event("change")
    page.wait_for_url("**hour=7**")
    page.wait_for_selector("#form:not([aria-busy])")
    before = column(visit, "Mix")
    page.reload()
    page.wait_for_selector("#board .item")
    assert column(visit, "Mix") == before
    assert visit.said == []


def test_the_context_reaches_mixigen(visit: Visit) -> None:
    visit.open_board(f"?user={USER}")
    with visit.page.expect_request("**/playground/curves") as asked:
        visit.page.get_by_label("City").select_option("Bonn")
    assert asked.value.post_data_json["city_name"] == "Bonn"


def test_curves_and_quotas(visit: Visit) -> None:
    visit.open_board(f"?user={USER}&n=5")
    lines = visit.page.locator("#curve polyline title").all_text_contents()
    assert lines == ["slim", "ease", "personal_top"]
    words = visit.page.locator("#curve svg > text").all_text_contents()
    assert {"MixiGen's score", "position in the generator's list", "1"} <= set(words)
    low, middle, high = map(float, words[:3])
    assert low < middle < high
    dots = visit.page.locator("#curve circle title").all_text_contents()
    rows = visit.page.locator("#curve tbody tr").all_text_contents()
    quotas = visit.page.locator("#curve tbody tr td:nth-child(4)").all_text_contents()
    assert len(rows) == 3
    assert sum(int(dot.split(": ")[1]) for dot in dots) == 5
    assert sum(map(int, quotas)) == 5
    visit.page.get_by_role("checkbox", name="popular").check()
    visit.page.get_by_text("MixiGen was not trained on popular").wait_for()


@pytest.mark.parametrize(
    ("low", "high"), [(-0.0122, 0.3), (-0.00122, -0.0012), (-1234.5, 9e-7), (-0.000123, 0), (0.5, 0.5)]
)
def test_the_numbers_of_the_curves_are_whole_on_a_phone(visit: Visit, low: float, high: float) -> None:
    cgs = [{"name": "slim", "scores": [high, low], "quota": 1}]
    visit.page.route("**/curves", lambda route: route.fulfill(json={"release": "r", "n": 5, "cgs": cgs}))
    visit.page.set_viewport_size({"width": 400, "height": 800})
    visit.open_board(f"?user={USER}&n=5")
    boxes = visit.page.locator("#curve svg > text").evaluate_all(
        "all => all.map(one => one.getBBox()).map(({ x, width }) => [x, x + width])"
    )
    assert len(boxes) > 5
    assert all(left >= 0 and right <= 640 for left, right in boxes)
    assert visit.said == []


def test_the_context_offers_what_has_an_effect(visit: Visit) -> None:
    def nowhere(route) -> None:
        route.fulfill(json={**route.fetch().json(), "cities": []})

    visit.page.route("**/playground/about", nowhere)
    visit.open_board(f"?user={USER}&day=last+day+of+the+data")
    assert visit.page.get_by_label("City").is_hidden()
    assert visit.page.locator("#store").is_visible()
    expect(visit.page.get_by_label("Day")).to_be_disabled()
    with visit.page.expect_request("**/mix") as asked:
        visit.page.locator("#hour").press("ArrowRight")
    expect(visit.page.get_by_label("Day")).to_be_enabled()
    about = visit.page.request.get(f"{visit.service.address}/playground/about").json()
    assert asked.value.post_data_json["timestamp"] == about["days"]["last day of the data"][0]


def test_a_history_that_is_given(visit: Visit) -> None:
    visit.open()
    visit.page.get_by_label("User id").fill("7")
    visit.page.get_by_text("with another history").click()
    visit.page.locator("#history").fill(f"{item_id(1)}, {item_id(6)}\n12345")
    visit.page.get_by_role("button", name="Show candidates").click()
    visit.page.wait_for_selector('[data-column="ease"] .item')
    visit.page.wait_for_selector("#form:not([aria-busy])")  # leaving the history has asked already
    assert visit.status().endswith("Unknown items of the history: 12345.")
    assert column(visit, "History") == ["12345", str(item_id(6)), str(item_id(1))]
    expected = answer(visit, "candidates", user_id=7, n=20, cg="ease", history=[str(item_id(1)), str(item_id(6))])
    assert column(visit, "ease") == [item["item_id"] for item in expected["items"]]
    assert visit.said == []


def test_a_history_alone_is_enough(visit: Visit) -> None:
    visit.open()
    visit.page.get_by_text("with another history").click()
    visit.page.locator("#history").fill(f"{item_id(1)}")
    visit.page.get_by_role("button", name="Show candidates").click()
    visit.page.wait_for_selector('[data-column="ease"] .item')
    visit.page.wait_for_selector("#form:not([aria-busy])")  # leaving the history has asked already
    assert visit.status().startswith("A user with the 1 items given: 4 lists.")
    visit.page.reload()
    visit.page.wait_for_selector('[data-column="ease"] .item')
    assert visit.said == []


@pytest.fixture(scope="module")
def unequal(tmp_path_factory) -> Iterator[Service]:
    """Served: all. Others, the newest first: a MixiGen without personal_top, other items, ease alone."""
    store = mix_store(tmp_path_factory.mktemp("unequal"))
    everything = store.release(store.current()).artifacts
    store.publish(artifacts={name: everything[name] for name in ("data", "ease")}, keep_base=False)
    names = [f"article {item}" for item in range(N_ITEMS)]
    ids = id_array([item_id(item) if item < 4 else item_id(item) + 1 for item in range(N_ITEMS)], "uint64")
    renamed = replace(tiny_interactions(), item_ids=ids, item_names=names)
    store.publish([data_draft(renamed)], keep_base=False)
    few = schema(("slim", "ease"), max_position=6, cities=("Berlin", "Bonn"), stores=("7",))
    store.publish([mixigen_draft(of=few)], artifacts=dict(everything), keep_base=False)
    store.publish(artifacts=dict(everything), keep_base=False)
    with serving(store) as running:
        yield running


def headings(visit: Visit) -> list[str]:
    return visit.page.locator("#board h3").all_text_contents()


def test_a_release_that_lacks_generators_is_compared_by_those_it_has(visit: Visit, unequal: Service) -> None:
    visit.service = unequal
    ease_alone = unequal.store.releases()[2]
    visit.open_board(f"?user={USER}&n=5&strategy=mixigen&compare={ease_alone}")
    assert headings(visit) == [
        "History",
        "Mix served",
        "Mix other",
        "slim",
        "ease served",
        "ease other",
        "personal_top",
    ]
    assert "The other release lacks slim, personal_top, MixiGen." in visit.status()
    assert visit.page.locator('.other[data-column="Mix"] > .note').text_content().endswith("rrf")
    assert visit.said == []


def test_a_mix_that_the_other_release_cannot_make_leaves_its_lists(visit: Visit, unequal: Service) -> None:
    visit.service = unequal
    visit.open_board(f"?user={USER}&n=5&compare={unequal.store.releases()[-2]}")
    assert "personal_top other" in headings(visit)
    assert "MixiGen was not trained on personal_top" in visit.page.locator('.other[data-column="Mix"]').text_content()


def test_items_of_the_other_release_alone_have_its_names(visit: Visit, unequal: Service) -> None:
    visit.service = unequal
    query = f"?user={USER}&n=100&strategy=rrf&toggle=popular&compare={unequal.store.releases()[3]}"
    visit.open_board(query)
    shown = visit.page.locator('.other[data-column="popular"] .item')
    names = dict(
        zip(
            shown.evaluate_all("all => all.map(one => one.dataset.item)"),
            shown.locator("b").all_text_contents(),
            strict=True,
        )
    )
    assert names[str(item_id(3))] == "item 3"
    assert names[str(item_id(5) + 1)] == "article 5"
    assert visit.page.locator("#named").text_content().count(" ms") == 2
    assert visit.said == []


def test_questions_that_are_superseded_are_given_up(visit: Visit) -> None:
    visit.open_board(f"?user={USER}")
    failed: list[str] = []
    visit.page.on("requestfailed", lambda request: failed.append(request.failure))
    held: list[object] = []
    visit.page.route("**/mix", lambda route: held.append(route) if not held else route.continue_())
    asked: list[int] = []
    visit.page.on("request", lambda request: request.url.endswith("/mix") and asked.append(request.post_data_json["n"]))
    visit.page.get_by_role("button", name="Show candidates").click()
    wait_for(lambda: visit.page.evaluate("1") and held, "the first question", 20)
    visit.page.locator("#n").focus()
    for _ in range(6):
        visit.page.keyboard.press("ArrowRight")
    expect(visit.page.locator("#n-shown")).to_have_text("50")
    expect(visit.page.locator('[data-column="Mix"] .item')).to_have_count(8)
    visit.page.wait_for_selector("#form:not([aria-busy])")
    assert failed == ["net::ERR_ABORTED"]
    assert asked[0] == 20
    assert asked[-1] == 50
    assert len(asked) < 5
    assert visit.said == []


def test_a_page_is_read_anew_when_another_release_is_served(browser, tmp_path) -> None:
    store = mix_store(tmp_path)
    with serving(store) as service:
        context = browser.new_context()
        visit = Visit(context.new_page(), service)
        visit.open_board(f"?user={USER}")
        everything = store.release(store.current()).artifacts
        kept = {name: version for name, version in everything.items() if name != "mixigen"}
        name = store.publish(artifacts=kept, keep_base=False).release
        wait_for(lambda: visit.page.request.get(f"{service.address}/cgs").json()["release"] == name, "served", 30)
        visit.page.get_by_role("button", name="Show candidates").click()
        expect(visit.page.locator("#served")).to_have_text(f"release {name}")
        visit.page.wait_for_selector("#board .item")
        visit.page.get_by_text("This release has no MixiGen").wait_for()
        assert visit.page.get_by_role("alert").count() == 0
        context.close()


def test_the_focus_is_never_behind_the_inspector(visit: Visit) -> None:
    visit.page.set_viewport_size({"width": 1280, "height": 500})
    visit.open_board(f"?user={USER}")
    visit.page.locator('[data-column="Mix"] .item').first.focus()
    for _ in column(visit, "Mix"):
        visit.page.keyboard.press("ArrowDown")
        hidden = "document.activeElement.getBoundingClientRect().bottom > inspector.getBoundingClientRect().top"
        assert not visit.page.evaluate(hidden)


def test_two_releases_side_by_side(visit: Visit) -> None:
    older = visit.service.store.releases()[0]
    visit.open_board(f"?user={USER}&n=5")
    visit.page.get_by_label("Compare with").select_option(older)
    visit.page.wait_for_selector(".column.other")
    headings = visit.page.locator("#board h3").all_text_contents()
    assert headings[:5] == ["History", "Mix served", "Mix other", "slim served", "slim other"]
    notes = visit.page.locator('[data-column="Mix"] > .note').all_text_contents()
    assert [note.split(" · ")[1] for note in notes] == ["mixigen", "rrf"]
    visit.shot("compare")
    assert visit.said == []


def test_a_release_that_is_no_longer_offered_is_not_compared_with(visit: Visit) -> None:
    visit.open_board(f"?user={USER}&compare=20200101T000000-abcdef")
    assert (
        visit.page.get_by_label("Compare with").evaluate("choice => choice.selectedOptions[0].text")
        == "no other release"
    )
    assert visit.page.locator(".column.other").count() == 0
    assert visit.said == []


def test_an_unknown_user_gets_popular_items_and_is_told(visit: Visit) -> None:
    visit.open_board("?user=424242")
    assert visit.status().startswith("Nobody knows the user 424242")
    assert "Nothing is known of this user." in visit.page.locator('[data-column="History"]').text_content()
    assert visit.page.locator('[data-column="Mix"] .fill').count() == len(column(visit, "Mix")) > 0
    visit.shot("unknown-user")
    assert visit.said == []


def test_an_id_that_cannot_be_one_is_explained(visit: Visit) -> None:
    visit.open("?user=abc")
    alert = visit.page.get_by_role("alert")
    alert.wait_for()
    assert "'abc' is not an id of this release" in alert.text_content()
    assert visit.page.locator("#results").is_hidden()
    visit.page.get_by_label("User id").fill(USER)
    visit.page.keyboard.press("Enter")
    visit.page.wait_for_selector("#board .item")
    assert alert.is_hidden()


def test_a_server_error_is_shown_kindly(visit: Visit) -> None:
    problem = {"title": "Internal error", "status": 500, "detail": "an unexpected error", "request_id": "abc123"}
    visit.page.route(
        "**/mix",
        lambda route: route.fulfill(status=500, content_type="application/problem+json", body=json.dumps(problem)),
    )
    visit.open(f"?user={USER}")
    alert = visit.page.get_by_role("alert")
    alert.wait_for()
    assert "Internal error" in alert.text_content()
    assert "abc123" in alert.text_content()
    visit.shot("server-error")


def test_a_service_that_is_gone_is_shown_kindly(visit: Visit) -> None:
    visit.open_board(f"?user={USER}")
    visit.page.context.set_offline(True)
    visit.page.get_by_role("button", name="Show candidates").click()
    alert = visit.page.get_by_role("alert")
    alert.wait_for()
    assert "cannot be reached" in alert.text_content()
    assert visit.page.locator("#form:not([aria-busy])").count() == 1


def test_a_page_opened_too_early_goes_on_by_itself(visit: Visit) -> None:
    times = []

    def not_ready_once(route) -> None:
        times.append(1)
        if len(times) > 1:
            return route.continue_()
        body = {"title": "Not ready", "status": 503, "detail": "the release is being loaded", "request_id": "r"}
        return route.fulfill(status=503, content_type="application/problem+json", body=json.dumps(body))

    visit.page.route("**/playground/about", not_ready_once)
    visit.open(f"?user={USER}")
    visit.page.get_by_text("the release is being loaded").wait_for()
    visit.page.wait_for_selector("#board .item")
    assert visit.page.get_by_role("alert").count() == 0


def test_names_are_shown_as_text_never_as_markup(visit: Visit) -> None:
    evil = {
        "release": "r",
        "items": [{"item_id": str(item_id(0)), "name": "<img src=x onerror=alert(1)>", "category": None}],
    }
    visit.page.route("**/playground/items", lambda route: route.fulfill(json=evil))
    visit.open_board(f"?user={USER}")
    assert visit.page.locator("#board img").count() == 0
    assert visit.page.get_by_text("<img src=x").count() > 0


def test_the_second_view_shows_the_release(visit: Visit) -> None:
    visit.open()
    visit.page.get_by_role("tab", name="Try a user").focus()
    visit.page.keyboard.press("ArrowRight")
    panel = visit.page.get_by_role("tabpanel", name="Release")
    panel.locator("table").first.wait_for()
    text = panel.text_content()
    assert visit.service.store.current() in text
    assert str(visit.service.pid) in text
    assert "of its own" in text
    assert len(panel.locator("table").first.locator("tbody tr").all()) == 4
    panel.get_by_text("personal_top", exact=True).last.click()
    assert panel.get_by_text("half_life_days").is_visible()
    visit.shot("release")
    assert visit.said == []


@pytest.mark.parametrize("path", ["docs", "?user=424242"])
def test_nothing_is_loaded_from_elsewhere(visit: Visit, path: str) -> None:
    asked: list[str] = []
    visit.page.on("request", lambda request: asked.append(request.url))
    visit.open(path)
    visit.page.wait_for_load_state("networkidle")
    assert len(asked) > 3
    assert all(url.startswith(visit.service.address) for url in asked)
    assert visit.said == []
