"""The workflow that tests, and publishes what it built: that it runs what is there."""

import re

import yaml
from harness import ROOT

WORKFLOW = yaml.safe_load((ROOT / ".github" / "workflows" / "build.yaml").read_text(encoding="utf-8"))
JOBS = WORKFLOW["jobs"]


def test_it_runs_scripts_that_are_there():
    commands = [step["run"] for job in JOBS.values() for step in job["steps"] if "run" in step]
    scripts = {path for command in commands for path in re.findall(r"(?:\./)?((?:scripts|\.ci)/[\w./-]+)", command)}
    assert {".ci/run", "scripts/package"} <= scripts
    assert all((ROOT / path).is_file() for path in scripts)


def test_it_publishes_every_image():
    names = {path.name.removesuffix(".Dockerfile") for path in (ROOT / "docker").glob("*.Dockerfile")}
    assert set(JOBS["images"]["strategy"]["matrix"]["image"]) == names


def test_what_is_published_was_tested():
    for name, job in JOBS.items():
        if name != "test":
            assert job["needs"] == "test" and "refs/tags/v" in job["if"]


def test_jobs_may_do_no_more_than_they_must():
    assert WORKFLOW["permissions"] == {"contents": "read"}
    writes = {(name, scope) for name, job in JOBS.items() for scope, right in job.get("permissions", {}).items()
              if right == "write"}
    assert writes == {("packages", "contents"), ("images", "packages")}
    for job in JOBS.values():
        for step in job["steps"]:
            assert "run" in step or re.fullmatch(r"[\w-]+/[\w-]+@v\d+", step["uses"])
