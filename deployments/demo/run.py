"""`make demo`: a model goes online, a broken one is refused while it answers on, and nothing is done twice."""

from __future__ import annotations

import os
import sys
import tempfile
import threading
import time
from pathlib import Path
from typing import NoReturn

from rich.console import Console
from rich.rule import Rule
from rich.text import Text

from flows.narration import Narration, show_verdict, show_waterfall
from flows.standalone import connect_to_prefect
from moorage import lifecycle
from moorage.cli.deployment_commands import history_table
from moorage.declaration import read_specification
from moorage.deployment import DeploymentSpec
from moorage.errors import InferenceFailed, MoorageError, ProvisionFailed
from moorage.inference.client import InferenceClient
from moorage.predictor import Framework, ModelSource
from moorage.report import DeployReport, Outcome
from moorage.site import Site

HERE = Path(__file__).parent
ROWS = [[5.1, 3.5, 1.4, 0.2], [6.7, 3.0, 5.2, 2.3]]

console = Console(highlight=False)


def main() -> None:
    """The whole story; exit code 1 when any of it did not go as told."""
    spec = read_specification(HERE.parent / "models" / "iris.yaml")
    with tempfile.TemporaryDirectory() as folder, Narration(console) as story:
        with console.status("training a random forest on scikit-learn's iris data"):
            source = train(Path(folder))
        console.print(f"[green]✓[/] trained: accuracy {source.metrics['accuracy']:.3f} on rows it had not seen")

        console.print(Rule("version 1 goes online", align="left"))
        first = deploy(spec, source, story)
        show_waterfall(console, first)
        endpoint = first.endpoint or fail("it has no endpoint")
        console.print(f"asked    POST {endpoint}/v1/models/{spec.name}:predict  {ROWS}", soft_wrap=True)
        with InferenceClient(endpoint, spec.name) as client:
            console.print(f"answered {client.predict(inputs=ROWS).predictions}")

        console.print(Rule("version 2 has a bug, and users are asking all the time", align="left"))
        broken = spec.model_copy(update={"script_file": str(HERE / "broken_predictor.py")})
        with Users(endpoint, spec.name) as users:
            refused = deploy_and_fail(broken, story)
        show_waterfall(console, refused)
        console.print(f"meanwhile {users.answered} requests were answered by version 1, {users.failed} failed")
        if users.failed or not users.answered or refused.serving != first.serving:
            fail("version 1 should have answered them all")

        console.print(Rule("version 1 again", align="left"))
        again = deploy(spec, None, story)
        if again.outcome is not Outcome.NOTHING_TO_DO:
            fail(f"expected nothing to do, not {again.outcome}")
    show_history(spec.name)
    show_way_on(spec, endpoint)


def train(folder: Path) -> ModelSource:
    """Trains on real data and saves the model as training runs do: a folder with a joblib file."""
    import joblib
    from sklearn.datasets import load_iris
    from sklearn.ensemble import RandomForestClassifier
    from sklearn.model_selection import train_test_split

    iris = load_iris()
    names = iris.target_names[iris.target]
    rows, unseen, labels, truth = train_test_split(iris.data, names, test_size=0.3, random_state=7, stratify=names)
    forest = RandomForestClassifier(n_estimators=50, random_state=7).fit(rows, labels)
    joblib.dump(forest, folder / "model.joblib")
    return ModelSource(
        path=str(folder),
        framework=Framework.SKLEARN,
        metrics={"accuracy": float(forest.score(unseen, truth))},
        input_example=ROWS[:1],
    )


def deploy(spec: DeploymentSpec, source: ModelSource | None, story: Narration) -> DeployReport:
    """Runs the flow, as a schedule or a form would."""
    story.say("starting Prefect (the first time this takes half a minute)")
    connect_to_prefect()
    from flows.deploy_model import deploy_model

    try:
        deploy_model(spec, model_files=source, reason="make demo", retry_quarantined=True)
    except MoorageError as error:
        fail(str(error))
    return story.report or fail("the flow ended without a report")


def deploy_and_fail(spec: DeploymentSpec, story: Narration) -> DeployReport:
    """Deploys what cannot be proven, and shows the verdict."""
    from flows.deploy_model import deploy_model

    try:
        deploy_model(spec, reason="make demo, with a bug", retry_quarantined=True)
    except ProvisionFailed:
        report = story.report or fail("the flow ended without a report")
        show_verdict(console, report)
        return report
    return fail("the broken predictor should not have gone online")


class Users:
    """Somebody who asks version 1 without pause, and counts."""

    def __init__(self, endpoint: str, deployment: str) -> None:
        self.answered = self.failed = 0
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._ask, args=(endpoint, deployment))

    def __enter__(self) -> Users:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()

    def _ask(self, endpoint: str, deployment: str) -> None:
        with InferenceClient(endpoint, deployment) as client:
            while not self._over.is_set():
                try:
                    client.predict(inputs=ROWS)
                    self.answered += 1
                except InferenceFailed:
                    self.failed += 1
                time.sleep(0.01)


def show_history(name: str) -> None:
    """The ledger's last entries: both revisions stand there, and what became of them."""
    console.print(Rule("what the ledger tells", align="left"))
    console.print(history_table(lifecycle.history(Site.from_env(), name)[-12:]))


def show_way_on(spec: DeploymentSpec, endpoint: str) -> None:
    """What to type next."""
    moorage = Path(sys.executable).with_name("moorage")
    shown = os.path.relpath(moorage) if moorage.exists() else "moorage"
    console.print(Rule("your turn", align="left"))
    for what, command in (
        ("ask it", f"{shown} deployment predict {spec.name} --inputs '{ROWS[:1]}'"),
        ("", f"curl -d '{{\"instances\": {ROWS[:1]}}}' {endpoint}/v1/models/{spec.name}:predict"),
        ("look at it", f"{shown} deployment status {spec.name}"),
        ("read its log", f"{shown} deployment logs {spec.name}"),
        ("stop it", f"{shown} deployment stop {spec.name}"),
    ):
        console.print(Text(f"{what:<14}{command}"), soft_wrap=True)


def fail(why: str) -> NoReturn:
    """Ends the demo: it did not go as told."""
    console.print(Text(f"The demo failed: {why}.", style="bold red"))
    sys.exit(1)


if __name__ == "__main__":
    try:
        main()
    except KeyboardInterrupt:
        sys.exit(130)
