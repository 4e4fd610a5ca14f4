"""What the toy project computes from its tables: a result that chapters share, the file of results, the notices."""

from __future__ import annotations

import json
from typing import Any

from lib.caching.shared_results import shared
from lib.toy.arithmetic import mean
from lib.toy.weather import Weather

KINDS = ["rain", "wind"]
UNIT = "mm a day"


@shared
def wet_days(weather: Weather) -> dict[str, Any]:
    """Return the days with more rain than the limit, and their mean."""
    (limit,) = (int(row["value"]) for row in weather.rows("limits"))
    values = [int(row["value"]) for row in weather.rows("rain") if int(row["value"]) > limit]
    return {"number": len(values), "mean": mean(values), "unit": UNIT}


def as_json(weather: Weather) -> str:
    """Return the text of the file of results."""
    newest = max(row["date"] for kind in KINDS for row in weather.rows(kind))
    results = {"wet days": wet_days(weather), **{kind: weather.total(kind) for kind in KINDS}}
    return json.dumps({"edition": weather.edition[1] or newest, "version": "1.0", "results": results}, indent=1)


def notices(weather: Weather) -> list[str]:
    """Return which stations have measured no rain."""
    measured = {row["station"] for row in weather.rows("rain")}
    return [f"{row['station']}: no rain" for row in weather.rows("stations") if row["station"] not in measured]
