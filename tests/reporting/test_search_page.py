"""The page of a search says which trial is best, shows every trial, and warns of what the best is worth."""

from __future__ import annotations

from typing import Any

from ecgcli.reporting import page
from ecgcli.reporting.search_page import search_page
from ecgcli.reporting.search_plots import figures


def facts(goals: int = 2) -> dict[str, Any]:
    def trial(
        number: int, state: str, values: list[float] | None, reason: str | None = None
    ) -> dict[str, Any]:
        settings = {"model.channels": "[8, 16]", "optimizer.lr": f"0.00{number}"}
        about = {"seconds": 2.5, "run": f"run{number}", "reason": reason, "settings": settings}
        return {"number": number, "state": state, "values": values and values[:goals], **about}

    return {
        "title": "demo-by_subject-own-12345678",
        "command": "ecg search space=own",
        "goals": [{"key": "macro_f1", "more": True}, {"key": "parameters", "more": False}][:goals],
        "space": "own",
        "settings": ["model.channels", "optimizer.lr"],
        "sampler": "tpe",
        "pruner": "median",
        "trials": [
            trial(0, "complete", [0.5, 1000.0]),
            trial(1, "failed", None, "strides <too large>"),
            trial(2, "complete", [0.7, 90000.0]),
            trial(3, "pruned", None, "pruned after 33% of its training"),
            trial(4, "complete", [0.4, 1200.0]),
        ],
        "complete": 3,
        "best": [2, 0][:goals],
        "importances": {"macro_f1": {"optimizer.lr": 0.9, "model.channels": 0.1}},
        "dashboard": "optuna-dashboard study/journal.log",
        "next": "ecg train experiment=best",
    }


def test_the_page_of_a_search_holds_its_best_its_trials_and_its_pictures() -> None:
    told = facts()
    markup = page.html(search_page(told, figures(told)))
    assert "trial 2 (best in macro_f1): macro_f1 0.7000, parameters 90,000" in markup
    assert markup.count("<img") == 3
    assert "Trial 1: strides &lt;too large&gt;" in markup
    assert "its score there flatters it" in markup
    assert all(f"0.00{number}" in markup for number in range(5))


def test_with_one_goal_there_is_no_front() -> None:
    told = facts(goals=1)
    assert set(figures(told)) == {"history", "importances"}
    markup = page.html(search_page(told, figures(told)))
    assert "Pareto" not in markup and "The best settings" in markup


def test_the_best_so_far_never_gets_worse() -> None:
    """Upwards for the macro-F1, downwards for the parameters, whatever the trials do."""
    told = facts()
    up, down = figures(told)["history"].axes
    assert list(up.lines[0].get_ydata()) == [0.5, 0.7, 0.7]
    assert list(down.lines[0].get_ydata()) == [1000, 1000, 1000]
    front = next(line for line in figures(told)["pareto"].axes[0].lines if line.get_label() == "Pareto front")
    assert sorted(front.get_xdata()) == [1000, 90000]
