"""Report the delays by carrier, by route and by weather."""

import sys
from pathlib import Path

import pandas as pd
import structlog

log = structlog.get_logger()

OUTPUT = Path(sys.argv[1] if len(sys.argv) > 1 else Path(__file__).parent / "output")


def main() -> None:
    flights = pd.read_parquet(OUTPUT / "enriched.parquet")

    by_carrier = (
        flights.groupby("airline")
        .agg(flights=("flight", "size"), delay=("dep_delay", "mean"), late=("late", "mean"))
        .sort_values("delay", ascending=False)
        .reset_index()
    )
    by_carrier.to_csv(OUTPUT / "delays_by_carrier.csv", index=False)
    log.info("delays by carrier", worst=by_carrier["airline"].iloc[0])

    by_route = flights.groupby("route")["arr_delay"].median().reset_index()
    by_route = by_route.nlargest(20, "arr_delay")
    by_route.to_csv(OUTPUT / "delays_by_route.csv", index=False)

    wet = flights[flights["precip"] > 0].assign(weather="wet")
    dry = flights[flights["precip"] == 0].assign(weather="dry")
    by_weather = (
        pd.concat([wet, dry])
        .pivot_table(index="origin", columns="weather", values="dep_delay", aggfunc="mean")
        .reset_index()
    )
    by_weather.to_parquet(OUTPUT / "delays_by_weather.parquet", index=False)
    log.info("report written", directory=str(OUTPUT))


if __name__ == "__main__":
    main()
