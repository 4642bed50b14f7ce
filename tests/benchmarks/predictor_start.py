"""From the start of a process to its first prediction: the predictor against a bare loop of Granian and ONNX Runtime.

Run by `make bench`. Starts take turns; medians of CPU-seconds and of seconds. Both read the model from a folder, so that
neither includes the object store's answer; the predictor imports its client nevertheless, as it does in a pod.
"""

import http.client
import json
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))
from support import small_model
from support.cpu_time import cpu_seconds
from support.wide_model import WideModel

STARTS, FEATURES, LIMIT_SECONDS = 7, 19, 60
PATH = "/v2/models/churn/infer"

PREDICTOR = """
import sys
from pathlib import Path
from homeostat.engines.objects.memory import MemoryObjects
from homeostat_services.predictor.__main__ import assemble, serve
from homeostat_services.predictor.prediction_log import ObserverSink
from homeostat_services.predictor.settings import PredictorSettings
folder, port, uri, digest = Path(sys.argv[1]), int(sys.argv[2]), sys.argv[3], sys.argv[4]
settings = PredictorSettings(
    namespace="churn", deployment="churn", version="1", entity_field="customer_id", model_uri=uri, model_digest=digest
)
objects = MemoryObjects({f"{uri}/{file.name}": file.read_bytes() for file in folder.iterdir()})
sink = ObserverSink("http://127.0.0.1:9", "churn", "churn")
serve(lambda: assemble(settings, objects, None, sink), "127.0.0.1", port)
"""

BARE = """
import multiprocessing, sys
import msgspec, numpy as np, onnxruntime as ort
from granian import Granian
from granian.constants import HTTPModes, Interfaces

class Bare:
    def __init__(self):
        self.session = ort.InferenceSession(sys.argv[1] + "/model.onnx")

    async def __rsgi__(self, scope, protocol):
        inputs = msgspec.json.decode(await protocol())["inputs"]
        feed = {
            i["name"]: np.array(i["data"], dtype=object if i["datatype"] == "BYTES" else np.float32).reshape(-1, 1)
            for i in inputs if i["name"] != "customer_id"
        }
        answer = msgspec.json.encode(self.session.run(None, feed)[0].tolist())
        protocol.response_bytes(200, [("content-type", "application/json")], answer)

multiprocessing.set_start_method("fork")
server = Granian("bare", address="127.0.0.1", port=int(sys.argv[2]), interface=Interfaces.RSGI, http=HTTPModes.http1)
server.serve(target_loader=Bare, wrap_loader=False)
"""


def start(code: str, *arguments: str) -> tuple[float, float]:
    """CPU-seconds and seconds of a server up to its first prediction."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    folder, *rest = arguments
    body, begun = json.dumps(WideModel(FEATURES).request(1)), time.monotonic()
    process = subprocess.Popen(
        [sys.executable, "-c", code, folder, str(port), *rest], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    try:
        while time.monotonic() - begun < LIMIT_SECONDS:
            connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
            try:
                connection.request("POST", PATH, body)
                if connection.getresponse().status == 200:
                    return cpu_seconds(process.pid), time.monotonic() - begun
            except ConnectionError:
                time.sleep(0.005)
            finally:
                connection.close()
        raise RuntimeError(f"a server did not predict within {LIMIT_SECONDS} s")
    finally:
        process.terminate()
        process.wait()


def main() -> None:
    """Measure in turns and print."""
    objects, digest = small_model.stored(WideModel(FEATURES).files())
    figures: dict[str, list[tuple[float, float]]] = {"predictor": [], "bare": []}
    with tempfile.TemporaryDirectory() as folder:
        for uri in objects.list(small_model.URI):
            (Path(folder) / uri.rpartition("/")[2]).write_bytes(objects.read(uri))
        for _ in range(STARTS):
            figures["predictor"].append(start(PREDICTOR, folder, small_model.URI, digest))
            figures["bare"].append(start(BARE, folder))
    for name, starts in figures.items():
        cpu, seconds = (statistics.median(column) for column in zip(*starts[1:], strict=True))  # the first fills caches
        print(f"{name:10} {cpu:.2f} CPU s, {seconds:.2f} s")  # noqa: T201 - a benchmark prints


if __name__ == "__main__":
    main()
