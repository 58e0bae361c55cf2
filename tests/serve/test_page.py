"""The page, in a real browser: a picture is chosen, its labels are read, versions are compared, by mouse and keys."""

import pytest

pytestmark = pytest.mark.tensorflow
TOP = (
    "[...document.querySelectorAll('#results article')].map(card => [card.querySelector('h2').innerText, "
    "...[...card.querySelectorAll('ol.top button')].map(one => one.innerText.replace(/\\s+/g, ' ').trim())])"
)


@pytest.fixture
def red(picture, tmp_path):
    path = tmp_path / "red.png"
    path.write_bytes(picture("red", "PNG", (90, 60)))
    return path


def test_a_person_drops_a_picture_and_sees_why_the_model_says_what_it_says(served, tab, red):
    tab.open(served.url + "/")
    tab.wait("document.querySelectorAll('#first option').length === 2")
    tab.choose_file("#file", red)
    tab.wait("document.querySelectorAll('#results img').length === 2")
    ((title, *best),) = tab.run(TOP)
    assert title == "colors · 2"
    assert best[0].startswith("red 9")
    assert [one.split()[0] for one in best] == ["red", "green", "blue"]
    assert tab.run("[...document.querySelectorAll('#results img')].every(one => one.naturalWidth === 320)")
    assert "occlusion map" in tab.run("document.querySelector('#results').innerText")
    tab.run(
        "const second = document.getElementById('second'); second.selectedIndex = 2;"
        "second.dispatchEvent(new Event('change'))"
    )
    tab.wait("document.querySelectorAll('#results img').length === 4")
    assert [title for title, *_ in tab.run(TOP)] == ["colors · 2", "colors · 1"]
    tab.run("document.querySelectorAll('ol.top button')[2].click()")
    tab.wait("document.querySelector('#results').innerText.includes('“blue”')")
    tab.run("document.getElementById('tab-models').click()")
    tab.wait("document.querySelector('#models').innerText.includes('available')")
    assert tab.complaints == []
    outside = [url for url in tab.requests if not url.startswith((served.url, "data:", "blob:", "about:"))]
    assert outside == []


def test_it_is_used_by_keys_and_tells_what_is_no_picture(served, tab, tmp_path):
    bad = tmp_path / ("photograph_of_a_day_at_the_sea_" * 3 + ".jpg")
    bad.write_bytes(b"hello")
    tab.open(served.url + "/", width=390, height=800, dark=True)
    tab.wait("document.querySelectorAll('#first option').length === 2")
    for _ in range(3):
        tab.press("Tab")
    assert tab.run("document.activeElement.id") == "drop"
    assert tab.run("getComputedStyle(document.body).backgroundColor") == "rgb(14, 19, 26)"
    tab.choose_file("#file", bad)
    tab.wait("document.querySelector('#results .error') !== null")
    assert tab.run("document.querySelector('#results .error').innerText") == "format not read: text"
    assert tab.run("document.documentElement.scrollWidth") == 390


def test_a_page_that_was_opened_before_a_model_was_loaded_asks_again(served, tab, red):
    tab.open(served.url + "/")
    tab.wait("document.querySelectorAll('#first option').length === 2")
    tab.run("window.answer = window.fetch; window.fetch = async () => new Response('{\"models\": []}')")
    tab.run("document.getElementById('first').replaceChildren()")
    tab.choose_file("#file", red)
    tab.wait("document.querySelector('#results .error') !== null")
    assert tab.run("document.querySelector('#results').innerText") == "No model that takes a picture is loaded yet."
    tab.run("window.fetch = window.answer")
    tab.choose_file("#file", red)  # the same one once more
    tab.wait("document.querySelectorAll('#results img').length === 2")
    assert tab.run("document.querySelector('#results .error')") is None
    assert tab.complaints == []


def test_a_page_that_stays_open_asks_the_version_that_there_is(served, tab, red):
    tab.open(served.url + "/")
    tab.wait("document.querySelectorAll('#first option').length === 2")
    tab.run("$('first').options[0].value = JSON.stringify(['colors', 7, '/classify']); $('first').selectedIndex = 0")
    tab.choose_file("#file", red)
    tab.wait("document.querySelectorAll('#results img').length === 2")
    assert tab.run("document.querySelector('#results h2').innerText") == "colors · 2"


def test_of_two_captions_the_later_ones_pictures_are_shown(served, tab):
    tab.open(served.url + "/")
    tab.wait("document.querySelectorAll('#first option').length === 2")
    tab.run(
        "generators = [{name: 'm', version: 1, words: [], max_pictures: 8}]; offerGenerators(generators, false);"
        "window.waiting = []; window.fetch = () => new Promise((told) => waiting.push(told));"
        "window.ask_for = (text) => { $('make-caption').value = text; make(); };"
        "window.answer = (told, caption) => told(new Response(JSON.stringify({model: 'm', version: 1, step: 1, seed: 1,"
        " digest: 'd', unknown_words: {}, pictures: [{caption, png: ''}]})));"
        "ask_for('first'); ask_for('second'); answer(waiting[1], 'second');"
    )
    tab.wait("document.querySelectorAll('#made img').length === 1")
    tab.run("answer(waiting[0], 'first'); new Promise((done) => setTimeout(done, 200))")
    assert tab.run("document.querySelector('#made img').alt") == "second, picture 1"


def test_the_page_of_routes(served, tab):
    tab.open(served.url + "/docs")
    tab.wait("document.querySelectorAll('#routes article').length > 20")
    assert "/v2/models/{name}/infer" in tab.run("document.body.innerText")
    assert tab.complaints == []
