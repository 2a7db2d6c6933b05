"""gRPC backends: one port per label given, printed one a line. Every call of /fraud.Model/Score is answered with the
label of the port that it came to. Ends when stdin does."""

import sys
from concurrent import futures

import grpc

METHOD = "/fraud.Model/Score"


class Model(grpc.GenericRpcHandler):
    def __init__(self, label):
        self.handler = grpc.unary_unary_rpc_method_handler(lambda request, context: label.encode())

    def service(self, details):
        return self.handler if details.method == METHOD else None


servers = []
for label in sys.argv[1:]:
    server = grpc.server(futures.ThreadPoolExecutor(max_workers=4))
    server.add_generic_rpc_handlers((Model(label),))
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    servers.append(server)
    print(port, flush=True)

sys.stdin.read()
for server in servers:
    server.stop(0)
