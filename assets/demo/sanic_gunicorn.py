"""A gunicorn worker class for Sanic.

Sanic shipped `sanic.worker.GunicornWorker` until 22.6. The releases that run on
today's Python have no worker for gunicorn, so this is one, in the same terms:

    gunicorn app:app --worker-class sanic_gunicorn.GunicornWorker
"""

import asyncio
import contextlib
import os
import signal

import uvloop
from gunicorn.workers import base

HEARTBEAT_SECONDS = 1.0


class GunicornWorker(base.Worker):
    """Serves one Sanic app on gunicorn's listening sockets until it is told to stop."""

    def init_signals(self):
        """Leave the signals to the event loop; `_serve` sets them up there."""
        for number in self.SIGNALS:
            signal.signal(number, signal.SIG_DFL)

    def run(self):
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            runner.run(self._serve(self.app.callable))

    async def _serve(self, app):
        stop = asyncio.Event()
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGQUIT):
            loop.add_signal_handler(number, stop.set)
        for number in (signal.SIGUSR1, signal.SIGWINCH):
            loop.add_signal_handler(number, lambda: None)

        later = {"start_serving": False}  # connections wait in the kernel until all is open
        servers = [
            await app.create_server(sock=listener.sock, asyncio_server_kwargs=later)
            for listener in self.sockets
        ]
        lead = servers[0]
        await lead.startup()
        await lead.before_start()
        for server in servers:
            await server.start_serving()
        await lead.after_start()
        app.set_serving(True)
        self.log.info("serving %s as pid %s", app.name, os.getpid())

        await self._beat_until(stop)

        self.alive = False
        await lead.before_stop()
        await self._drain(servers)
        await lead.after_stop()

    async def _beat_until(self, stop):
        """Tell gunicorn that the loop turns, until asked to stop or orphaned."""
        while not stop.is_set():
            self.notify()
            if os.getppid() != self.ppid:
                self.log.info("gunicorn is gone, stopping")
                return
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(stop.wait(), HEARTBEAT_SECONDS)

    async def _drain(self, servers):
        """Take no new connection, finish the running requests, then close."""
        loop = asyncio.get_running_loop()
        until = loop.time() + max(0.0, self.cfg.graceful_timeout - 1)
        for server in servers:
            server.server.close()
        while True:
            open_connections = [c for s in servers for c in list(s.connections)]
            for connection in open_connections:
                connection.close_if_idle()
            if not open_connections:
                return
            if loop.time() >= until:
                break
            self.notify()
            await asyncio.sleep(0.05)
        for connection in open_connections:
            connection.abort()
