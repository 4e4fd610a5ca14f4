"""The workflows of GitHub Actions: pinned actions, least permissions, and no secret where it is not needed."""

import re
import shlex
import shutil
import subprocess

import pytest
import yaml

from conftest import ROOT

WORKFLOWS = sorted((ROOT / ".github/workflows").glob("*.yml"))
NAMES = [path.name for path in WORKFLOWS]


def jobs(path):
    return yaml.safe_load(path.read_text(encoding="utf-8"))["jobs"]


@pytest.mark.parametrize("path", WORKFLOWS, ids=NAMES)
def test_actions_are_pinned_by_their_hash_with_the_version_beside_it(path):
    used = re.findall(r"uses: (.*)", path.read_text(encoding="utf-8"))
    assert used
    for action in used:
        assert re.fullmatch(r"[\w./-]+@[0-9a-f]{40} # v[0-9]+(\.[0-9]+)*", action), action


def test_an_action_has_one_version_in_all_workflows():
    versions = {}
    for path in WORKFLOWS:
        for name, version in re.findall(r"uses: (\S+)@(.*)", path.read_text(encoding="utf-8")):
            assert versions.setdefault(name, version) == version


@pytest.mark.parametrize("path", WORKFLOWS, ids=NAMES)
def test_workflows_may_only_read_unless_a_job_says_otherwise(path):
    workflow = yaml.safe_load(path.read_text(encoding="utf-8"))
    assert workflow["permissions"] == {"contents": "read"}


def test_only_the_job_that_proposes_new_records_may_write():
    search = jobs(ROOT / ".github/workflows/search.yml")
    may_write = {name for name, job in search.items() if "write" in job.get("permissions", {}).values()}
    assert may_write == {"propose"}
    assert search["propose"]["permissions"] == {"contents": "write", "pull-requests": "write"}
    # It runs no code of the project or of its dependencies.
    commands = " ".join(step.get("run", "") for step in search["propose"]["steps"])
    assert "python" not in commands and "make" not in commands
    assert "secrets." not in str(search["propose"])


def test_keys_reach_the_search_alone_and_no_action():
    steps = jobs(ROOT / ".github/workflows/search.yml")["search"]["steps"]
    with_keys = [step for step in steps if "secrets." in str(step)]
    assert len(with_keys) == 1 and "python -m lib search" in with_keys[0]["run"] and "uses" not in with_keys[0]
    checkout = next(step for step in steps if "checkout" in step.get("uses", ""))
    assert checkout["with"]["persist-credentials"] is False


def test_only_rows_of_tables_are_proposed():
    steps = jobs(ROOT / ".github/workflows/search.yml")["search"]["steps"]
    (diff,) = [line for step in steps for line in step.get("run", "").splitlines() if line.startswith("git diff")]
    proposed = [word for word in shlex.split(diff) if word.startswith("data/")]
    assert proposed and all((ROOT / name).is_file() and name.endswith(".csv") for name in proposed)
    (upload,) = [step for step in steps if "upload-artifact" in step.get("uses", "")]
    assert upload["with"]["path"] == "proposal"


@pytest.mark.parametrize("path", WORKFLOWS, ids=NAMES)
def test_no_expression_is_written_into_a_command(path):
    """Text of others would be executed there; it reaches commands through their environment."""
    for job in jobs(path).values():
        for step in job["steps"]:
            assert "${{" not in step.get("run", "")


@pytest.mark.skipif(not shutil.which("bash"), reason="needs bash")
@pytest.mark.parametrize("path", WORKFLOWS, ids=NAMES)
def test_commands_are_valid_shell(path):
    for job in jobs(path).values():
        for step in job["steps"]:
            done = subprocess.run(["bash", "-n"], input=step.get("run", ""), text=True, capture_output=True)
            assert done.returncode == 0, done.stderr


def test_raw_answers_are_ignored_by_git():
    ignored = subprocess.run(["git", "check-ignore", "-q", "data/.raw/" + "0" * 64], cwd=ROOT)
    assert ignored.returncode == 0
