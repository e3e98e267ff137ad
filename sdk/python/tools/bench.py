"""Times whole queries, each a new question, for tools/bench: python bench.py PROFILE AGREEMENT DATASET FIRST N.

Prints the medians in milliseconds of the package (ask, verify, DataFrame) and of its generated stub alone (ask), taken in turns.
"""

import datetime
import json
import statistics
import sys
import time

import jali
from jali.v1 import query_pb2
from jali.v1.query_pb2_grpc import QueryServiceStub

PURPOSE = "DUO:0000006"


def question(n: int) -> str:
    """A count that was not asked before: as in tools/bench/path.go."""
    day = datetime.date(1930, 1, 1) + datetime.timedelta(days=n % 20_000)
    return f"SELECT sex, COUNT(*) AS n FROM person WHERE birth_date >= DATE '{day}' AND conditions <= {n // 20_000 % 11} GROUP BY sex"


def main(profile: str, agreement: str, dataset: str, first: int, n: int) -> None:
    package: list[float] = []
    stub: list[float] = []
    with jali.connect(profile, agreement=agreement, purpose=PURPOSE, dataset=dataset) as client:
        ask = QueryServiceStub(client.channel).Query
        for i in range(first, first + 2 * (n + n // 10), 2):
            start = time.perf_counter()
            answer = client.query(question(i), error=1000)
            frame = answer.frame
            package.append(time.perf_counter() - start)
            assert not answer.replayed and len(frame) > 0
            start = time.perf_counter()
            bare = ask(query_pb2.QueryRequest(agreement=agreement, purpose=PURPOSE, dataset=dataset, sql=question(i + 1), error="1000"), timeout=60)
            stub.append(time.perf_counter() - start)
            assert not bare.replayed
    warm = n // 10  # the first ones warm up
    print(json.dumps({"package": 1e3 * statistics.median(package[warm:]), "stub": 1e3 * statistics.median(stub[warm:])}))


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], sys.argv[3], int(sys.argv[4]), int(sys.argv[5]))
