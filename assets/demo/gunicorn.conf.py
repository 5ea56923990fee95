"""gunicorn's settings; it reads this file from the working directory by itself.

`gunicorn app:app` is therefore enough, and command line flags still win.
"""

import os

bind = "0.0.0.0:8000"
workers = int(os.environ.get("WEB_CONCURRENCY", "1"))
worker_class = "sanic_gunicorn.GunicornWorker"
worker_tmp_dir = "/dev/shm"  # the heartbeat file never waits for a disk
timeout = 15  # seconds a blocked event loop may last before its worker is killed
graceful_timeout = 4  # seconds running requests get after SIGTERM
control_socket_disable = True  # it would want a writable home
