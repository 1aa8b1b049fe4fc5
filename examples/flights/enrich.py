"""Join the flights with the weather at departure, the aircraft and the airline."""

import sys
from pathlib import Path

import pandas as pd
import structlog

log = structlog.get_logger()

OUTPUT = Path(sys.argv[1] if len(sys.argv) > 1 else Path(__file__).parent / "output")


def main() -> None:
    flights = pd.read_parquet(OUTPUT / "flights.parquet")
    weather = pd.read_parquet(OUTPUT / "weather.parquet")
    planes = pd.read_parquet(OUTPUT / "planes.parquet", columns=["tailnum", "built", "seats"])
    airlines = pd.read_parquet(OUTPUT / "airlines.parquet")

    joined = flights.merge(weather, on=["origin", "time_hour"], how="left")
    joined = joined.merge(planes, on="tailnum", how="left")
    joined = joined.merge(airlines.rename(columns={"name": "airline"}), on="carrier")
    joined["age"] = joined["year"] - joined["built"]
    joined["late"] = joined["dep_delay"] > 15

    joined.to_parquet(OUTPUT / "enriched.parquet", index=False)
    log.info("flights enriched", rows=len(joined), columns=len(joined.columns))


if __name__ == "__main__":
    main()
