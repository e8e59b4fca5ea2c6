"""Opens written files with whylogs 1.6.4: `python peer.py FOLDER`.

FOLDER contains ours.bin and rows.json. The script adds theirs.bin, a profile of the same rows, merged.bin, a merge of
both, and summary.json with every summary key of all three.
"""

import json
import sys
from datetime import UTC, datetime
from pathlib import Path


def summary(view):
    return {name: plain(column.to_summary_dict()) for name, column in view.get_columns().items()}


def plain(figures):
    items = figures.get("frequent_items/frequent_strings", [])
    listed = [[item.value, item.est, item.lower, item.upper] for item in items]
    rest = {name: value for name, value in figures.items() if name != "frequent_items/frequent_strings"}
    return {
        **rest,
        **({"frequent_items/frequent_strings": listed} if "frequent_items/frequent_strings" in figures else {}),
    }


def drawn(target, reference):
    try:
        from whylogs.viz import NotebookProfileVisualizer
    except ImportError:
        return None
    visualizer = NotebookProfileVisualizer()
    visualizer.set_profiles(target_profile_view=target, reference_profile_view=reference)
    charts = [visualizer.summary_drift_report()]
    charts += [visualizer.double_histogram(name) for name in ("whole", "fraction")]
    charts += [visualizer.distribution_chart("text"), visualizer.feature_statistics("whole", profile="target")]
    return [len(chart.data) for chart in charts]


def main(folder):
    import pandas as pd
    import whylogs as why
    from whylogs.core.view.dataset_profile_view import DatasetProfileView

    rows = json.loads((folder / "rows.json").read_text("utf-8"))
    frame = pd.DataFrame({name: pd.Series(values) for name, values in rows.items()})
    theirs = why.log(pandas=frame, dataset_timestamp=datetime(2026, 1, 31, tzinfo=UTC)).view()
    ours = DatasetProfileView.read(str(folder / "ours.bin"))
    merged = ours.merge(theirs)
    for name, view in (("theirs", theirs), ("merged", merged)):
        with (folder / (name + ".bin")).open("wb") as file:
            file.write(view.serialize())
    said = {name: summary(view) for name, view in (("ours", ours), ("theirs", theirs), ("merged", merged))}
    said["rows of to_pandas"] = len(ours.to_pandas())
    said["timestamp"] = ours.dataset_timestamp.isoformat()
    said["metadata"] = dict(ours.metadata)
    said["drawn"] = drawn(ours, theirs)
    (folder / "summary.json").write_text(json.dumps(said, default=float), "utf-8")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
