"""build: Dockerfiles in the style of Docker's official images, on bases of Debian's programs: a user of the service's
own, directories that are its, an entry point that drops root with gosu. Built and run by whoever runs the test; the
image specification's own tool finds no fault with what has been made."""

import glob
import os
import subprocess
import unittest

from build_case import BuildCase
from debian_base import base, distinct, files, programs, which
from image_archive import docker_archive
from sandbox_case import eventually, free_port, has_range

POSTGRES = sorted(glob.glob("/usr/lib/postgresql/*/bin/"))[-1]

REDIS = """
FROM debian
RUN set -eux; groupadd -r -g 999 redis; useradd -r -g redis -u 999 redis
RUN mkdir /data && chown redis:redis /data
VOLUME /data
WORKDIR /data
COPY --chmod=755 docker-entrypoint.sh /usr/local/bin/
ENTRYPOINT ["docker-entrypoint.sh"]
EXPOSE 6379
CMD ["redis-server"]
"""
REDIS_ENTRY = """#!/bin/sh
set -e
if [ "${1#-}" != "$1" ]; then set -- redis-server "$@"; fi
if [ "$1" = 'redis-server' ] && [ "$(id -u)" = '0' ]; then
  find . \\! -user redis -exec chown redis '{}' +
  exec gosu redis "$0" "$@"
fi
exec "$@"
"""

NGINX = """
FROM debian
RUN set -x && groupadd --system --gid 101 nginx \\
    && useradd --system --gid nginx --no-create-home --home-dir /nonexistent --shell /bin/false --uid 101 nginx \\
    && mkdir -p /run /var/log/nginx /var/lib/nginx /usr/share/nginx/html \\
    && ln -sf /dev/stdout /var/log/nginx/access.log && ln -sf /dev/stderr /var/log/nginx/error.log
COPY nginx.conf /etc/nginx/nginx.conf
COPY --chown=nginx:nginx index.html /usr/share/nginx/html/
EXPOSE 80
STOPSIGNAL SIGQUIT
CMD ["nginx", "-g", "daemon off;"]
"""
NGINX_CONF = """
user nginx;
worker_processes 1;
error_log /var/log/nginx/error.log notice;
pid /run/nginx.pid;
events { worker_connections 64; }
http {
  access_log /var/log/nginx/access.log;
  server { listen 80; root /usr/share/nginx/html; }
}
"""

DATABASE = f"""
FROM debian
RUN set -eux; groupadd -r postgres --gid=998; \\
    useradd -r -g postgres --uid=998 --home-dir=/var/lib/postgresql --shell=/bin/bash postgres; \\
    install --verbose --directory --owner postgres --group postgres --mode 1777 /var/lib/postgresql
ENV PATH $PATH:{POSTGRES}
ENV PGDATA /var/lib/postgresql/data
RUN install --verbose --directory --owner postgres --group postgres --mode 3777 /run/postgresql
RUN install --verbose --directory --owner postgres --group postgres --mode 1777 "$PGDATA"
COPY --chmod=755 docker-entrypoint.sh /usr/local/bin/
ENTRYPOINT ["docker-entrypoint.sh"]
STOPSIGNAL SIGINT
EXPOSE 5432
CMD ["postgres"]
"""
DATABASE_ENTRY = """#!/bin/sh
set -e
if [ "$(id -u)" = '0' ]; then
  mkdir -p "$PGDATA"
  find "$PGDATA" \\! -user postgres -exec chown postgres '{}' +
  chmod 700 "$PGDATA"
  exec gosu postgres "$0" "$@"
fi
[ -s "$PGDATA/PG_VERSION" ] || initdb --locale=C --no-sync --auth=trust >/dev/null
exec "$@" -k /run/postgresql -h ''
"""


class Official(BuildCase):
    def load(self, entries):
        tools = programs(*map(which, ("groupadd", "useradd", "gosu")))
        modules = files(path for path in glob.glob("/usr/lib/*/libnss_files*") + ["/etc/login.defs", "/etc/default/useradd"]
                        if os.path.exists(path))
        docker_archive(self.home + "/base.tar", "debian", distinct(base() + tools + modules + entries))
        self.ok("load", "-i", self.home + "/base.tar")
        os.remove(self.home + "/base.tar")

    def owner_of(self, path):
        member = self.layers_of("made")[path]
        return f"{member.uid}:{member.gid} {member.mode:o}"

    def test_redis(self):
        self.load(programs(which("redis-server"), which("redis-cli")))
        self.put("docker-entrypoint.sh", REDIS_ENTRY)
        self.build_ok(REDIS, timeout=100)
        self.assertEqual(self.owner_of("data"), "999:999 755")
        self.ok("run", "-d", "--name", "box", "--network", "none", "made", "--save", "")
        ask = lambda *words: self.sandbox("exec", "box", "redis-cli", *words).stdout
        self.assertTrue(eventually(lambda: ask("ping") == "PONG\n", 60), self.sandbox("logs", "box"))
        self.assertEqual((ask("set", "key", "value"), ask("get", "key")), ("OK\n", "value\n"))
        self.assertEqual(ask("save"), "OK\n", "into the volume, which is the user's")
        self.assertEqual(self.ok("exec", "box", "sh", "-c", "id -un 999; grep ^Uid /proc/1/status").split()[:3],
                         ["redis", "Uid:", "999"] if has_range() else self.users_of_one_id())
        self.ok("rm", "-f", "-v", "box")
        self.others_take_it()
        if has_range():
            with self.podman() as podman:
                self.podman_runs_redis(podman)

    def users_of_one_id(self):
        """/proc shows the only id that there is."""
        return ["redis", "Uid:", self.ok("exec", "box", "sh", "-c", "grep ^Uid /proc/1/status").split()[1]]

    def podman_runs_redis(self, podman):
        podman.does("run", "-d", "--name", "box", "--network", "none", "made", "--save", "")
        ask = lambda *words: podman.run("exec", "box", "redis-cli", *words).stdout
        self.assertTrue(eventually(lambda: ask("ping") == "PONG\n", 60), podman.run("logs", "box"))
        self.assertEqual((ask("set", "key", "value"), ask("get", "key"), ask("save")), ("OK\n", "value\n", "OK\n"))
        self.assertEqual(podman.does("exec", "box", "sh", "-c", "grep ^Uid /proc/1/status").split()[1], "999")
        self.assertEqual(podman.does("exec", "box", "stat", "-c", "%U:%G %a", "/data", "/data/dump.rdb").split(),
                         ["redis:redis", "755", "redis:redis", "644"])

    def others_take_it(self):
        """The image specification's own tool."""
        layout = self.home + "/layout"
        self.ok("save", "-o", self.home + "/made.tar", "made")
        os.mkdir(layout)
        subprocess.run(["tar", "-C", layout, "-xf", self.home + "/made.tar"], check=True)
        done = subprocess.run(["oci-image-tool", "validate", "--type", "image", layout], capture_output=True,
                              text=True, timeout=100, check=False)
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)

    def test_nginx(self):
        self.load(programs(which("nginx")) + files(["/etc/nginx/mime.types"]))
        self.put("nginx.conf", NGINX_CONF)
        self.put("index.html", "Welcome\n")
        self.build_ok(NGINX, timeout=100)
        self.assertEqual(self.owner_of("usr/share/nginx/html/index.html"), "101:101 644")
        port = free_port()
        self.ok("run", "-d", "--name", "box", "-p", f"127.0.0.1:{port}:80", "made")
        self.assertTrue(eventually(lambda: self.answer(port) == "Welcome\n", 60), self.sandbox("logs", "box"))
        self.assertTrue(eventually(lambda: '"GET / HTTP/1.1" 200' in self.sandbox("logs", "box").stdout, 30))
        self.ok("stop", "-t", "60", "box")
        self.assertEqual(self.ok("inspect", "-f", "{{.State.ExitCode}}", "box"), "0\n", "SIGQUIT ends it in peace")

    def test_postgres(self):
        needed = [POSTGRES + name for name in ("initdb", "postgres", "psql")]
        inner = os.path.dirname(POSTGRES.rstrip("/")) + "/lib/"
        share = POSTGRES.replace("/lib/", "/share/").removesuffix("bin/")
        modules = [inner + name for name in ("plpgsql.so", "dict_snowball.so")]
        data = files([path for path in glob.glob(share + "*") if os.path.basename(path) not in ("man", "contrib")])
        zones = files(["/usr/share/zoneinfo/UTC", "/usr/share/zoneinfo/Etc/UTC"])
        self.load(programs(*needed, *modules) + data + zones)
        self.put("docker-entrypoint.sh", DATABASE_ENTRY)
        self.build_ok(DATABASE, timeout=100)
        self.assertEqual(self.owner_of("var/lib/postgresql/data"), "998:998 1777")
        shown = [] if has_range() else ["--id-emulation", "full"]  # it looks whether its directory is its own
        self.ok("run", "-d", "--name", "box", "--network", "none", *shown, "made")
        query = ["psql", "-h", "/run/postgresql", "-U", "postgres", "-Atc", "select 6 * 7"]
        self.assertTrue(eventually(lambda: self.sandbox("exec", "box", *query).stdout == "42\n", 100),
                        self.sandbox("logs", "box"))


if __name__ == "__main__":
    unittest.main()
