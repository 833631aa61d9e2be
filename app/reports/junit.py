"""A report as JUnit XML, as CI systems read it."""

from __future__ import annotations

from xml.etree import ElementTree

from app.domain.untrusted_text import harmless, storable
from app.reports.spans import Report, first_failure


def render_junit(report: Report) -> str:
    """The report as JUnit XML: a test case for the services' readiness, for each step and for the proof."""
    run, cases = report["run"], _junit_cases(report)
    words = [word for _, word, _, _ in cases]
    suite = ElementTree.Element(
        "testsuite",
        {
            "name": harmless(run["name"]),
            "tests": str(len(cases)),
            "failures": str(words.count("failed")),
            "errors": "0",
            "skipped": str(words.count("skipped")),
            "time": f"{run['elapsed_sec']:.3f}",
            "timestamp": str(run["started_at"]),
        },
    )
    for name, word, detail, seconds in cases:
        case = ElementTree.SubElement(
            suite,
            "testcase",
            {"classname": harmless(run["name"]), "name": harmless(name), "time": f"{seconds:.3f}"},
        )
        if word in {"failed", "skipped"}:
            tag = "failure" if word == "failed" else "skipped"
            ElementTree.SubElement(case, tag, {"message": storable(harmless(detail))})
    return f'<?xml version="1.0" encoding="UTF-8"?>\n{ElementTree.tostring(suite, encoding="unicode")}\n'


def _junit_cases(report: Report) -> list[tuple[str, str, str, float]]:
    """Each case: its name, `passed`, `failed` or `skipped`, a detail, and its seconds."""
    window, proof = report.get("window") or {}, report.get("proof") or {}
    ready = "passed" if window.get("status") == "ok" else "failed"
    detail = "" if ready == "passed" else first_failure(report) or str(report["run"]["detail"])
    cases = [("services are ready", ready, detail, _longest_start(report))]
    for one in report["steps"]:
        word = str(one["status"]) if one["status"] in {"passed", "failed"} else "skipped"
        seconds = sum(each["elapsed_ms"] for each in one.get("attempts", [])) / 1000
        cases.append((str(one["name"]), word, str(one["detail"]), seconds))
    off = "passed" if proof.get("released") else "failed"
    cases.append(("services are off again", off, str(proof.get("detail", "nothing was proved")), 0.0))
    if report["run"]["outcome"] == "cut":
        cases.append(("the run was not cut", "failed", str(report["run"]["detail"]), 0.0))
    return cases


def _longest_start(report: Report) -> float:
    return max((one["start_sec"] or 0.0 for one in report["services"].values()), default=0.0)
