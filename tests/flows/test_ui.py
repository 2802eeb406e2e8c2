"""What a person does in Prefect's UI: fills in a form, is told what is wrong with it, opens the report."""

import contextlib
import re
import shutil
from typing import Any

import pytest
from playwright.sync_api import Error as NotInTime
from playwright.sync_api import Page, expect, sync_playwright

from moorage import lifecycle
from moorage.ledger import Event
from tests.flows.conftest import DOUBLE
from tests.flows.orchestrator import site_of_runs
from tests.waiting import until

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
# The UI's first page loads a few MB of scripts, and the machine may be busy.
PATIENCE_MS = 90_000
TRIES = 3
# The orchestrator's start may be among it.
pytestmark = pytest.mark.timeout(600)


@pytest.fixture(scope="module")
def page():
    if CHROMIUM is None:
        pytest.skip("no Chromium here: apt install chromium")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        page = browser.new_page(viewport={"width": 1300, "height": 1000})
        page.set_default_timeout(PATIENCE_MS)
        expect.set_options(timeout=PATIENCE_MS)
        yield page
        browser.close()


@pytest.fixture(scope="module")
def site(orchestrator):
    with site_of_runs(orchestrator) as site:
        yield site


@pytest.fixture(scope="module")
def trained(orchestrator, site):
    """The model that the form of deploy-model has as its default is registered, and what followed it is over."""
    known = len(orchestrator.runs("deploy-registered-model"))
    orchestrator.until_state(orchestrator.start("train-iris"), "Completed")
    runs = orchestrator.until_runs("deploy-registered-model", known + 1)
    orchestrator.until_state(runs[-1]["id"], "Completed")


def open_form(page: Page, orchestrator, name: str) -> None:
    deployment = orchestrator.deployment(name)
    page.goto(f"{orchestrator.ui}/v2/deployments/deployment/{deployment['id']}/run")
    expect(page.get_by_role("button", name="Submit")).to_be_visible()


def submit(page: Page, orchestrator, name: str) -> dict[str, Any]:
    """Submits the form; the run that it made, once it has completed."""
    known = {run["id"] for run in orchestrator.runs(name)}
    # while the form checks itself, which it does a moment after a change, its button does nothing
    for _ in range(TRIES):
        page.get_by_role("button", name="Submit").click()
        with contextlib.suppress(NotInTime):
            page.wait_for_url(re.compile("tab=Runs"), timeout=PATIENCE_MS / TRIES)
            break
    (made,) = [run for run in orchestrator.runs(name) if run["id"] not in known]
    found: dict[str, Any] = orchestrator.until_state(made["id"], "Completed")
    return found


def test_a_bad_name_is_told_in_the_form_and_a_good_one_goes_online(page, orchestrator, site, trained):
    open_form(page, orchestrator, "deploy-model")
    known = len(orchestrator.runs("deploy-model"))
    name = page.get_by_label("Name", exact=True)
    name.fill("not a name")
    page.get_by_role("button", name="Submit").click()
    expect(page.get_by_text("does not match").first).to_be_visible()
    assert len(orchestrator.runs("deploy-model")) == known
    name.fill("flower")
    run = submit(page, orchestrator, "deploy-model")
    assert run["parameters"]["spec"]["name"] == "flower"
    assert lifecycle.predict(site, "flower", inputs=[[5.1, 3.5, 1.4, 0.2]]).predictions == ["setosa"]


def test_the_report_shows_what_is_live_and_where_the_seconds_went(page, orchestrator, trained):
    (report,) = orchestrator.ask("POST", "/artifacts/filter", {"artifacts": {"key": {"any_": ["deploy-flower"]}}})
    page.goto(f"{orchestrator.ui}/v2/artifacts/artifact/{report['id']}")
    expect(page.get_by_role("heading", name="flower: live")).to_be_visible()
    picture = page.get_by_alt_text("each step's seconds on one axis")
    expect(picture).to_be_visible()
    assert picture.evaluate("image => image.naturalWidth") > 300


def test_a_roll_back_is_started_from_its_form(page, orchestrator, site, trained):
    second = orchestrator.run(orchestrator.runs("deploy-model")[-1]["id"])["parameters"]
    second["spec"]["env_vars"] = [{"name": "SEASON", "value": "spring"}]
    orchestrator.until_state(orchestrator.start("deploy-model", **second), "Completed")
    assert lifecycle.view(site, "flower").seen.serving == 2
    open_form(page, orchestrator, "roll-back")
    page.get_by_label("deployment", exact=True).fill("flower")
    page.get_by_label(re.compile("^reason")).fill("as it was")
    submit(page, orchestrator, "roll-back")
    assert lifecycle.view(site, "flower").seen.serving == 3
    assert "back to revision 1; as it was" in [entry.reason for entry in lifecycle.history(site, "flower")]


def test_a_run_that_is_cancelled_in_its_wait_leaves_what_was_live(page, orchestrator, site, trained, tmp_path):
    live = lifecycle.view(site, "flower").seen.serving
    spec = orchestrator.run(orchestrator.runs("deploy-model")[-1]["id"])["parameters"]["spec"]
    (tmp_path / "p.py").write_text("import time\ntime.sleep(600)\n" + DOUBLE)
    run = orchestrator.start("deploy-model", spec=spec | {"script_file": str(tmp_path / "p.py")})
    until(lambda: site.ledger("flower").state().candidate, timeout_s=90, what="the revision in flight")
    page.goto(f"{orchestrator.ui}/v2/runs/flow-run/{run}")
    page.get_by_role("button", name="Open menu").click()
    page.get_by_role("menuitem", name="Cancel").click()
    page.get_by_role("alertdialog").get_by_role("button", name="Cancel Flow Run").click()
    orchestrator.until_state(run, "Cancelled")
    until(lambda: site.ledger("flower").newest().event is Event.RESTORED, timeout_s=60, what="the restore")
    assert lifecycle.view(site, "flower").seen.serving == live
    assert lifecycle.predict(site, "flower", inputs=[[5.1, 3.5, 1.4, 0.2]]).predictions == ["setosa"]
