# Sourced by ./quickstart and ./check: Debian packages from the lists beside this file.
# Nothing is run as another user but apt-get, and that only when something is missing.

# The names in the given list files, one a line.
packages_in() { sed -e 's/#.*//' -e 's/[[:space:]]*$//' -e '/^$/d' "$@"; }

# Those of the given names that are not installed.
packages_missing() {
  local name
  for name in "$@"; do
    case "$(dpkg-query -W -f '${db:Status-Abbrev}' "$name" 2>/dev/null || true)" in
      ii*) ;;
      *) echo "$name" ;;
    esac
  done
}

# install_packages LIST…: installs what is missing, or tells what an administrator has to install and fails.
install_packages() {
  if ! command -v dpkg-query >/dev/null; then
    echo "This is not a Debian system; make sure that it has the counterparts of:" >&2
    packages_in "$@" | sed 's/^/  /' >&2
    return 0
  fi
  local -a names missing as_root=()
  mapfile -t names < <(packages_in "$@")
  mapfile -t missing < <(packages_missing "${names[@]}")
  if ((${#missing[@]} == 0)); then
    echo "All ${#names[@]} packages needed are installed."
    return 0
  fi
  echo "To be installed with apt-get: ${missing[*]}"
  if ((EUID != 0)); then
    if ! command -v sudo >/dev/null; then
      echo "There is no sudo here. Ask an administrator to run:" >&2
      echo "  apt-get install --no-install-recommends ${missing[*]}" >&2
      return 1
    fi
    as_root=(sudo)
  fi
  local -a apt=("${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get)
  if "${apt[@]}" update -q && "${apt[@]}" install -q -y --no-install-recommends "${missing[@]}"; then return 0; fi
  echo "Installing failed. An administrator can run:" >&2
  echo "  apt-get install --no-install-recommends ${missing[*]}" >&2
  return 1
}
