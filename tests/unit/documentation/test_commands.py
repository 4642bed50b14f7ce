"""Every command of the documentation works as it stands: its program takes it, and what it names exists."""

import pytest

from homeostat.testing.builders import a_feature_set
from homeostat_operators.core.freshness import renewal
from homeostat_services.access import Access, Caller
from homeostat_services.access.ports import grant
from unit.documentation.pages import BLOCK, PAGES, blocks, name
from unit.documentation.programs import PROGRAMS, problem
from unit.documentation.shell import INDENTED, Command, commands

LANGUAGES = {"console", "json", "mermaid", "sh", "text", "yaml", "yml"}
HISTORY = "CHANGELOG.md"
"""Names what earlier releases had."""
COMMANDS = [
    command
    for page in PAGES
    if page.name != HISTORY
    for command in commands(name(page), page.read_text(), set(PROGRAMS))
]


def wrong(text: str) -> list[str]:
    """What is wrong with the commands of a page."""
    return [
        f"{command.page}:{command.line}: {message}"
        for command in commands("page.md", text, set(PROGRAMS))
        if (message := problem(command))
    ]


@pytest.mark.parametrize("command", COMMANDS, ids=str)
def test_a_command_of_the_documentation_is_one_that_its_program_takes(command: Command) -> None:
    assert problem(command) == "", f"{command}"


def test_every_block_says_its_language_so_that_none_is_left_unvalidated() -> None:
    assert [f"{b.page}:{b.line}: {b.language!r}" for b in blocks() if b.language not in LANGUAGES] == []


def test_no_command_hides_in_an_indented_block() -> None:
    prose = {name(page): BLOCK.sub("", page.read_text()) for page in PAGES}
    hidden = [(page, word) for page, text in prose.items() for word in INDENTED.findall(text) if word in PROGRAMS]
    assert hidden == [], "use a block of sh between ``` lines"


BROKEN = {
    "make demmo": "the Makefile has no target 'demmo'",
    "make demo CONTEKST=mine": "nothing reads the variable 'CONTEKST'",
    "kubectl get monitr churn": "kind 'monitr' is unknown",
    "kubectl gett monitor churn": "kubectl gett is not validated",
    "kubectl get monitor churn --outputt yaml": "option --outputt is unknown",
    "kubectl get tjob -o jsonpath='{.status.models.version}'": "TrainingJob has no field 'status.models.version'",
    "kubectl get mon -o custom-columns=CAUSE:.status.lastDecision.why": "has no field 'status.lastDecision.why'",
    "kubectl explain trainingjob.spec.retries": "TrainingJob has no field 'spec.retries'",
    "kubectl explain monitor.spec.signals.treshold": "Monitor has no field 'spec.signals.treshold'",
    "kubectl annotate featureset a homeostat.dev/materialise=1": "no code reads or writes 'homeostat.dev/materialise'",
    "kubectl annotate featureset a homeostatt.dev/retry=1": "no code reads or writes 'homeostatt.dev/retry'",
    'kubectl patch tjob a -p \'{"spec": {"suspended": true}}\'': "TrainingJob has no field 'spec.suspended'",
    "kubectl wait --for=condition=Fresh monitor/churn": "Monitor has no condition 'Fresh'",
    "kubectl apply -f manifests/samples/chrun": "there is no file manifests/samples/chrun",
    "kubectl logs -n homeostat-system deploy/homeostat-operator-training": "the chart has no Deployment",
    "kubectl get pods -l homeostat.dev/nam=churn": "no code reads or writes 'homeostat.dev/nam'",
    "kubectl create role a --verb=get --resource=monitor.homeostat.dev": "resource 'monitor.homeostat.dev' is unknown",
    "kubectl create role a --verb=read --resource=monitors.homeostat.dev": "verb 'read' is unknown",
    "helm upgrade --install homeostat charts/homeostatt": "the chart is charts/homeostat, not charts/homeostatt",
    "helm upgrade --install homeostat charts/homeostat --set gateway.publicURL=x": "the chart has no value gateway.publicURL",
    "helm template homeostat charts/homeostat -f values-prod.yaml": "there is no file values-prod.yaml",
    "helm uninstall homeostat": "helm uninstall is not validated",
    "python -m homeostat_operator monitor": "there is no module homeostat_operator",
    "python -m homeostat_operators monitors": "invalid choice: 'monitors'",
    "python -m tools.mutants --seeds 1": "unrecognized arguments: --seeds",
    "python -m homeostat_pipelines evalute": "invalid choice: 'evalute'",
    "python tests/benchmarks/joins.py": "there is no file tests/benchmarks/joins.py",
    "curl $CONSOLE/api/v1/training": "console has no route GET /api/v1/training",
    "curl $FEATURES/v1/outcomes -d '{}'": "features has no route POST /v1/outcomes",
    'curl $OBSERVER/v1/outcomes -d \'{"namespace": "a", "deployment": "a", "outcome": []}\'': "outcome",
    'curl --json \'{"data": {"name": ["a"]}}\' …/api/v1.0/predictions': "does not take data.name",
    "git push --follow-tag": "is not among what is known of git",
    "cd services/seldon": "there is no file services/seldon",
    "kubctl get monitor churn": "'kubctl' is a program that no validator knows",
    "true && argocd app sync churn": "'true' is a program that no validator knows",
}


@pytest.mark.parametrize("snippet", BROKEN)
def test_a_broken_command_in_a_block_fails_with_page_and_line(snippet: str) -> None:
    found = wrong(f"# Page\n\n```console\n$ make demo    # it's fine\nprinted\n$ {snippet}\n```\n")
    assert found
    assert found[0].startswith("page.md:6: ")
    assert BROKEN[snippet] in found[0]


@pytest.mark.parametrize("snippet", [one for one in BROKEN if one.split()[0] in PROGRAMS])
def test_a_broken_command_in_a_sentence_fails_with_page_and_line(snippet: str) -> None:
    found = wrong(f"# Page\n\nFirst `make demo`,\nthen `{snippet}`.\n")
    assert found
    assert found[0].startswith("page.md:4: ")
    assert BROKEN[snippet] in found[0]


@pytest.mark.parametrize(
    ("text", "words"), [("make demo CONTEXT='a\n", "No closing quotation"), ("make $(cat target)\n", "parentheses")]
)
def test_a_block_that_cannot_be_read_fails_with_page_and_line(text: str, words: str) -> None:
    (found,) = wrong(f"# Page\n\n```sh\n{text}```\n")
    assert found.startswith("page.md:4: a command of this block cannot be read: ")
    assert words in found


def test_each_command_of_a_pipe_and_of_a_list_is_validated() -> None:
    block = "```sh\nmake demo && \\\n  make tset | grep -i x; \\\nmake demmo\n```\n"
    assert [line.split(": ")[0] for line in wrong(block)] == ["page.md:3", "page.md:4"]


PRINTED = {
    "the command that materialises": renewal(a_feature_set()).partition("start one now: ")[2],
    "the commands that grant a right": grant(
        Caller("system:serviceaccount:churn:web"), Access("create", "modeldeployments", "churn", "outcomes", "churn")
    ),
}


@pytest.mark.parametrize("printed", PRINTED)
def test_a_command_that_a_message_prints_is_one_that_its_program_takes(printed: str) -> None:
    assert wrong(f"```sh\n{PRINTED[printed]}\n```\n") == []
    assert wrong(f"```sh\n{PRINTED[printed]} --nonsense\n```\n") != []
