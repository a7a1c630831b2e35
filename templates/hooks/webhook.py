#!/usr/bin/env python3
"""An activation hook as a service: activates the certificates whose common name is on a list.

    webhook.py --cert server.crt --key server.key --list names.txt [--listen ADDRESS] [--port N]

The list has one common name a line and is read anew for each request. What is not on it stays
PENDING_ACTIVATION. Needs nothing but Python 3.9 or later.
"""

import argparse
import http.server
import json
import socket
import ssl

MAX_REQUEST = 1 << 20  # bytes
PATIENCE_S = 30  # with a client that does not go on, an idle connection included
COMMON_NAME = "AWS::IoT::Certificate::CommonName"


def decide(request, names):
    """The answer to a request; ValueError when it is not one."""
    if not isinstance(request, dict) or not isinstance(request.get("parameters"), dict):
        raise ValueError("not a request")
    name = request["parameters"].get(COMMON_NAME)
    if not isinstance(name, str) or not name:
        return {"decision": "leave", "message": "the certificate has no common name"}
    if name in names:
        return {"decision": "activate", "message": "on the list"}
    return {"decision": "leave", "message": "its common name is not on the list"}


def read_names(path):
    with open(path, encoding="utf-8") as lines:
        return {line.rstrip("\n") for line in lines} - {""}


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    timeout = PATIENCE_S
    disable_nagle_algorithm = True  # an answer is two small writes, of which the second would wait

    def do_POST(self):
        try:
            length = int(self.headers.get("Content-Length", ""))
        except ValueError:
            length = -1
        if not 0 <= length <= MAX_REQUEST:
            self.close_connection = True  # what follows is of unknown length
            self.answer(413 if length > MAX_REQUEST else 411, {"message": "how long is it?"})
            return
        body = self.rfile.read(length)
        try:
            answer = decide(json.loads(body), read_names(self.server.list_path))
        except (ValueError, RecursionError):  # of the request, or a list that is not UTF-8
            self.answer(400, {"message": "not an activation request"})
        except OSError as error:
            self.log_error("the list: %s", error)
            self.answer(500, {"message": "no list"})
        else:
            self.answer(200, answer)

    def answer(self, status, answer):
        body = json.dumps(answer).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


class Server(http.server.ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self, address, context, list_path):
        self.address_family = socket.AF_INET6 if ":" in address[0] else socket.AF_INET
        self.context = context
        self.list_path = list_path
        super().__init__(address, Handler)

    def finish_request(self, request, client_address):
        """On the connection's own thread: a client that does not go on holds up nobody else."""
        request.settimeout(PATIENCE_S)
        try:
            with self.context.wrap_socket(request, server_side=True) as tls:
                self.RequestHandlerClass(tls, client_address, self)
        except OSError as error:  # ssl.SSLError is one
            print(f"{client_address[0]}: {error}", flush=True)


def main():
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    options.add_argument("--cert", required=True, help="certificate, and its chain, in PEM")
    options.add_argument("--key", required=True, help="its key in PEM")
    options.add_argument("--list", required=True, help="common names, one a line")
    options.add_argument("--listen", default="127.0.0.1", help="address (%(default)s)")
    options.add_argument("--port", type=int, default=8443, help="0: any (%(default)s)")
    given = options.parse_args()

    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.load_cert_chain(given.cert, given.key)
    with Server((given.listen, given.port), context, given.list) as server:
        print(f"port {server.server_address[1]}", flush=True)
        try:
            server.serve_forever()
        except KeyboardInterrupt:
            pass


if __name__ == "__main__":
    main()
