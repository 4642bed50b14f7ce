"""ML Metadata's gRPC service over the store of its Python wheel, which has no server: requests pass as bytes."""

import sys
import threading
from concurrent.futures import ThreadPoolExecutor

import grpc
from ml_metadata.metadata_store.pywrap.metadata_store_extension import metadata_store
from ml_metadata.proto import metadata_store_pb2, metadata_store_service_pb2

PORT = 8080
SERVICE = metadata_store_service_pb2.DESCRIPTOR.services_by_name["MetadataStoreService"]
CODES = {code.value[0]: code for code in grpc.StatusCode}


class Handler(grpc.GenericRpcHandler):
    """Every method of the service, one at a time: the store is not made for threads."""

    def __init__(self, database: str) -> None:
        config = metadata_store_pb2.ConnectionConfig()
        config.sqlite.filename_uri = database
        migration = metadata_store_pb2.MigrationOptions()
        self._store = metadata_store.CreateMetadataStore(config.SerializeToString(), migration.SerializeToString())
        self._lock = threading.Lock()

    def service(self, handler_call_details: grpc.HandlerCallDetails) -> "grpc.RpcMethodHandler | None":
        """The handler of one method; None for those that the store lacks."""
        service, _, name = handler_call_details.method.removeprefix("/").partition("/")
        method = getattr(metadata_store, name, None)
        if service != SERVICE.full_name or name not in SERVICE.methods_by_name or method is None:
            return None

        def answer(request: bytes, context: grpc.ServicerContext) -> bytes:
            with self._lock:
                response, message, code = method(self._store, request)
            if code:
                context.abort(CODES.get(code, grpc.StatusCode.UNKNOWN), message.decode(errors="replace"))
            return bytes(response)

        return grpc.unary_unary_rpc_method_handler(answer)


def main() -> None:
    """Serves until the process is ended."""
    server = grpc.server(ThreadPoolExecutor(8))
    server.add_generic_rpc_handlers((Handler(sys.argv[1]),))
    server.add_insecure_port(f"0.0.0.0:{PORT}")
    server.start()
    server.wait_for_termination()


if __name__ == "__main__":
    main()
