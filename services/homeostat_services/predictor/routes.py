"""Every route of a predictor; the reference of routes and the OpenAPI document are made from this table."""

from dataclasses import dataclass

from homeostat_services.predictor import seldon


@dataclass(frozen=True, order=True)
class Route:
    """A route.

    Attributes:
        path: With its parameters in braces.
        method: In capitals.
        summary: One sentence.
        protocol: Whose requests and answers it has: `v2`, `seldon`, or empty for none.
    """

    path: str
    method: str
    summary: str
    protocol: str = ""


MODEL, VERSION = "/v2/models/{name}", "/v2/models/{name}/versions/{version}"
_INFER = "Predicts; one value per row. Takes and gives JSON or binary tensors."
_METADATA = "The model's inputs and output, as a caller of this deployment sends and receives them."
_READY = "Whether predictions of this model can be requested."
_SELDON = "Predicts by Seldon's protocol v1; also below `/seldon/<namespace>/<deployment>`."
_FEEDBACK = "Refused: outcomes go to the observer."

ROUTES: tuple[Route, ...] = (
    Route("/v2", "GET", "The server's name, version and extensions of the protocol."),
    Route("/v2/health/live", "GET", "Whether the process answers."),
    Route(
        "/v2/health/ready",
        "GET",
        "Whether predictions can be requested: the model was loaded and checked before this port was opened.",
    ),
    *(Route(path, "GET", _METADATA) for path in (MODEL, VERSION)),
    *(Route(f"{path}/ready", "GET", _READY) for path in (MODEL, VERSION)),
    *(Route(f"{path}/infer", "POST", _INFER, "v2") for path in (MODEL, VERSION)),
    *(Route(path, "POST", _SELDON, "seldon") for path in seldon.PREDICT),
    *(Route(path, "POST", _FEEDBACK, "seldon") for path in seldon.FEEDBACK),
    Route("/metrics", "GET", "Metrics in the Prometheus text format."),
    Route("/openapi.json", "GET", "The OpenAPI document of these routes."),
)
