"""Debian images without a network: programs of this machine with the libraries that they load, and a package archive
that apt installs from. What is in them comes from the packages of tests/support."""

import os
import pathlib
import re
import subprocess

from image_archive import entry, link
from owner_case import copies, deb, debian, passwd

TOOLS = ("sh bash cat chmod chown cp diff echo env grep head id install ln ls mkdir mv rm sed sleep sort stat tail test touch "
         "true uname wc tar gzip xz find dpkg dpkg-deb dpkg-query dpkg-split apt-get apt-cache apt-config apt-key "
         "start-stop-daemon ldconfig")
APT = "/usr/lib/apt", "/etc/apt/apt.conf.d", "/etc/apt/trusted.gpg.d", "/usr/share/dpkg"


def output(*words):
    return subprocess.run(words, capture_output=True, text=True, timeout=60, check=True).stdout


def merged(path):
    """With /bin, /lib … as the links into /usr that they are."""
    return os.path.join(os.path.realpath(os.path.dirname(path)), os.path.basename(path))


def libraries(path):
    """What the dynamic linker loads for a program, itself included."""
    done = subprocess.run(["ldd", path], capture_output=True, text=True, timeout=60, check=False)
    return {merged(found) for found in re.findall(r"(/\S+) \(0x", done.stdout)}


def which(name):
    for place in ("/usr/bin", "/usr/sbin"):
        if os.path.exists(f"{place}/{name}"):
            return f"{place}/{name}"
    raise FileNotFoundError(f"{name}: its package is missing; tests/support lists them")


def files(paths):
    """Entries of files as they are, links with what they lead to."""
    wanted, found = [merged(path) for path in paths], {}
    while wanted:
        path = wanted.pop()
        if path in found:
            continue
        if os.path.islink(path):
            found[path] = link(path[1:], os.readlink(path))
            wanted.append(merged(os.path.join(os.path.dirname(path), os.readlink(path))))
        elif os.path.isdir(path):
            wanted += [f"{path}/{name}" for name in os.listdir(path)]
        else:
            found[path] = entry(path[1:], pathlib.Path(path).read_bytes(), mode=os.stat(path).st_mode & 0o755)
    return [found[path] for path in sorted(found)]


def programs(*paths):
    """Entries of programs with their libraries."""
    everything = set(paths)
    for path in paths:
        everything |= libraries(path)
    return files(everything)


def base():
    """Entries of an image with a shell, the usual tools, dpkg and apt, whose archive is /repository."""
    methods = [os.path.join(place, name) for place, _, names in os.walk("/usr/lib/apt") for name in names]
    loaded = set().union(*(libraries(path) for path in methods if os.access(path, os.X_OK)))
    entries = debian() + programs(*map(which, TOOLS.split())) + files(loaded | set(filter(os.path.exists, APT)))
    sources = "deb [trusted=yes] copy:/repository ./\n"
    users = passwd().replace("root:x:0:0::/:", "root:x:0:0::/root:")
    return distinct(entries + [entry("etc/apt/sources.list", sources), entry("etc/passwd", users)] + list(copies("/etc/ld.so.conf.d")))


def distinct(entries):
    """The last one of each name, in the order of their first."""
    return list({info.name: (info, data) for info, data in entries}.values())


def repository(directory, **packages):
    """Entries of /repository: packages with these files, as flat archive for apt."""
    index, entries = "", []
    for name, contents in packages.items():
        path = f"{directory}/{name}.deb"
        deb(path, name, contents)
        index += output("dpkg-deb", "-f", path).rstrip() + f"\nFilename: ./{name}.deb\n"
        index += f"Size: {os.path.getsize(path)}\nSHA256: {output('sha256sum', path).split()[0]}\n\n"
        entries.append(entry(f"repository/{name}.deb", pathlib.Path(path).read_bytes()))
    return entries + [entry("repository/Packages", index)]


def compiler(directory, source):
    """Entries of what g++ reads and runs for this program."""
    path = f"{directory}/needed.cc"
    pathlib.Path(path).write_text(source, encoding="utf-8")
    headers = output("g++", "-M", path).replace("\\\n", " ").split()[2:]
    linked = output("g++", "-Wl,--trace", path, "-o", f"{directory}/needed").split()
    inner = [output("g++", f"-print-prog-name={name}").strip() for name in ("cc1plus", "collect2", "lto-wrapper")]
    tools = [which(name) for name in ("g++", "as", "ld")]
    plugin = output("g++", "-print-file-name=liblto_plugin.so").strip()
    scripts = [found for word in linked for found in re.findall(r"/[^\s()]+", word)]
    shared = [output("g++", f"-print-file-name={name}").strip() for name in ("libc.so", "libm.so", "libstdc++.so", "libgcc_s.so",
                                                                           "libc_nonshared.a", "libgcc.a")]
    return programs(*tools, *inner) + files(
        os.path.normpath(name) for name in [*headers, *scripts, *shared, plugin]
        if os.path.exists(name) and not name.startswith(("/tmp", directory)))
