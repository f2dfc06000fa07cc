#!/bin/sh
# Installs oddaemon from its wheel as a systemd service. Run it again to upgrade; it never changes your configuration.
# A new program is built beside the old one, with the hashes of the wheel's own lock, and a link is switched when it is whole.
# The way back: ln -sfn releases/OLD /opt/oddaemon/current, and restart the service.
#
#   install.sh [WHEEL]            into /opt/oddaemon
#   install.sh --remove           removes it; the configuration and the balances stay
#   install.sh --remove --purge   removes these, too
#
#   --enable            start it now and at boot
#   --find-links DIR    take the dependencies' wheels from DIR, without any index
#   --python PYTHON     the interpreter, 3.11 or later (python3)
#   --root DIR          install below DIR, for an image or a test; the running system is not changed
#
# Without WHEEL the script uses oddaemon-*.whl beside it, in ../dist or in the current directory, if there is only one.
set -eu
umask 022

here=$(CDPATH='' cd -- "$(dirname -- "$0")" && pwd)
group=oddaemon-config
wheel='' root='' python=python3 links='' enable='' remove='' purge=''

usage() { sed -n '2,/^set -eu$/s/^# \{0,1\}//p' "$0"; }
say() { printf '%s\n' "$*"; }
fail() { printf 'install.sh: %s\n' "$*" >&2; exit 1; }
is_live() { [ -z "$root" ]; }
has_systemd() { is_live && [ -d /run/systemd/system ]; }
is_root() { [ "$(id -u)" = 0 ]; }

while [ $# -gt 0 ]; do
    case $1 in
        --enable) enable=yes ;;
        --remove) remove=yes ;;
        --purge) purge=yes ;;
        --find-links | --python | --root)
            [ $# -gt 1 ] || fail "$1 needs a value"
            case $1 in
                --find-links) links=$2 ;;
                --python) python=$2 ;;
                --root) root=$2 ;;
            esac
            shift ;;
        -h | --help) usage; exit 0 ;;
        -*) fail "unknown option $1; --help lists them" ;;
        *) [ -z "$wheel" ] || fail "one wheel at a time: $wheel or $1"; wheel=$1 ;;
    esac
    shift
done

[ -z "$purge" ] || [ -n "$remove" ] || fail '--purge requires --remove'
if [ -n "$root" ]; then
    mkdir -p "$root"
    root=$(CDPATH='' cd -- "$root" && pwd)
    [ "$root" != / ] || root=''
fi
is_root || ! is_live || fail 'must be run as root, or with --root DIR'

opt=$root/opt/oddaemon
etc=$root/etc/oddaemon
unit=$root/etc/systemd/system/oddaemon.service
sysusers=$root/etc/sysusers.d/oddaemon.conf
tmpfiles=$root/etc/tmpfiles.d/oddaemon.conf
command=$root/usr/local/bin/oddaemon

# --- removing ---------------------------------------------------------------------------------------------------------

remove_all() {
    if has_systemd && [ -e "$unit" ]; then
        systemctl disable --now --quiet oddaemon.service || true
    fi
    rm -f "$unit" "$sysusers" "$tmpfiles"
    [ ! -L "$command" ] || [ "$(readlink "$command")" != /opt/oddaemon/bin/oddaemon ] || rm -f "$command"
    if [ -e "$opt" ]; then
        [ -e "$opt/pyvenv.cfg" ] || [ -e "$opt/releases" ] || fail "this script did not make $opt; remove it by hand"
        rm -rf "$opt"
    fi
    if has_systemd; then
        systemctl daemon-reload
        systemctl reset-failed oddaemon.service 2>/dev/null || true
    fi
    if [ -n "$purge" ]; then
        rm -rf "$etc" "$root/var/lib/private/oddaemon" "$root/var/lib/oddaemon"
        if is_live; then
            ! getent group "$group" >/dev/null || groupdel "$group"
        elif [ -e "$root/etc/group" ]; then
            for file in "$root/etc/group" "$root/etc/gshadow"; do
                [ ! -e "$file" ] || sed -i "/^$group:/d" "$file"
            done
        fi
        say 'Removed oddaemon with its configuration, keys and balances.'
    else
        say "Removed oddaemon. $etc and $root/var/lib/oddaemon stay; --remove --purge removes them, too."
    fi
}

# --- installing -------------------------------------------------------------------------------------------------------

find_wheel() {
    for place in "$here" "$here/../dist" .; do
        [ -z "$wheel" ] || break
        for file in "$place"/oddaemon-*.whl; do
            [ -e "$file" ] || continue
            [ -z "$wheel" ] || fail "found $wheel and $file; name one"
            wheel=$file
        done
    done
    [ -n "$wheel" ] || fail 'no wheel found; name one (make wheel writes dist/oddaemon-*.whl)'
    [ -f "$wheel" ] || fail "no such wheel: $wheel"
}

check_python() {
    "$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null ||
        fail "$python is missing or older than 3.11; name another: --python python3.12"
    "$python" -c 'import ensurepip' 2>/dev/null || fail "$python has no venv module: apt-get install python3-venv"
}

# The extras of the installed program, as `[name,name]`: an upgrade keeps them.
find_extras() {
    [ -x "$opt/bin/python" ] || return 0
    "$opt/bin/python" - <<'PYTHON' 2>/dev/null || true
import re
from importlib.metadata import distributions, requires
installed = {re.sub("[-_.]+", "-", each.metadata["Name"].lower()) for each in distributions()}
extras = {}
for line in requires("oddaemon") or ():
    if wanted := re.match(r"([A-Za-z0-9._-]+).*extra == ['\"]([^'\"]+)", line):
        extras.setdefault(wanted[2], set()).add(re.sub("[-_.]+", "-", wanted[1].lower()))
if found := sorted(name for name, packages in extras.items() if packages <= installed):
    print(f"[{','.join(found)}]")
PYTHON
}

# From the wheel's lock: `constraints` are its versions; `requirements` those with their hashes that a report of pip names.
read_lock() {
    "$python" - "$wheel" "$@" <<'PYTHON'
import json, re, sys, zipfile
def normalize(name):
    return re.sub("[-_.]+", "-", name.strip().lower())
with zipfile.ZipFile(sys.argv[1]) as wheel:
    (lock,) = [name for name in wheel.namelist() if name.endswith("/share/oddaemon/requirements.lock")]
    blocks = re.findall(r"(?m)^([^\s#][^\n\\]*)((?:\\\n[^\n\\]*)*)", wheel.read(lock).decode())
if sys.argv[2] == "constraints":
    print("\n".join(requirement for requirement, hashes in blocks))
else:
    with open(sys.argv[3], encoding="utf-8") as report:
        names = {normalize(each["metadata"]["name"]) for each in json.load(report)["install"]} - {"oddaemon"}
    locked = {}
    for requirement, hashes in blocks:
        locked.setdefault(normalize(requirement.partition("==")[0]), []).append(f"{requirement}{hashes}")
    if missing := names - set(locked):
        sys.exit(f"install.sh: not in the wheel's lock: {', '.join(sorted(missing))}")
    print("\n".join(each for name in sorted(names) for each in locked[name]))
PYTHON
}

# A program that was built below --root and will run below /: pip has written the paths of this machine, and in a way of its
# own if they have a space or more than 127 characters.
relocate() {
    "$python" - "$1" "$2" <<'PYTHON'
import os, pathlib, re, sys
built, target = map(pathlib.Path, sys.argv[1:])
for path in (built / "bin").iterdir():
    content = b"" if path.is_symlink() else path.read_bytes()
    if first := re.match(rb"#!/bin/sh\n'''exec' [^\n]*\n' '''\n|#![^\n]*python[^\n]*\n", content):
        path.write_bytes(b"#!" + os.fsencode(target / "bin" / "python") + b"\n" + content[first.end():])
for path in (built / "pyvenv.cfg", *(built / "bin").glob("activate*")):
    path.write_text(path.read_text().replace(str(built), str(target)))
PYTHON
}

pip() { "$release/bin/python" -m pip --disable-pip-version-check "$@"; }

# Each installation is a program of its own; the link `current` chooses one, so a failed upgrade changes nothing.
install_program() {
    [ ! -e "$opt" ] || [ -e "$opt/pyvenv.cfg" ] || [ -e "$opt/releases" ] ||
        fail "$opt exists and this script did not make it; move it away"
    extras=$(find_extras)
    mkdir -p "$opt/releases"
    name=$(date -u +%Y%m%dT%H%M%SZ)
    while [ -e "$opt/releases/$name" ]; do name=$name.1; done
    release=$opt/releases/$name
    trap 'rm -rf "$release"' EXIT
    "$python" -m venv "$release"
    read_lock constraints >"$release/constraints.txt"
    if [ -n "$links" ]; then set -- --no-index --find-links "$links"; else set --; fi
    # Only to learn which packages the program needs on this machine; what is installed must have the lock's hashes.
    pip install -q --dry-run --ignore-installed --only-binary :all: --report "$release/report.json" \
        --constraint "$release/constraints.txt" "$@" "$wheel$extras"
    read_lock requirements "$release/report.json" >"$release/requirements.txt"
    if [ -n "$(cat "$release/requirements.txt")" ]; then
        pip install -q --require-hashes --no-deps --only-binary :all: "$@" --requirement "$release/requirements.txt"
    fi
    pip install -q --no-index --no-deps "$wheel"
    pip check || fail 'the installed packages conflict; nothing was changed'
    is_live || relocate "$release" "/opt/oddaemon/releases/$name"
    trap - EXIT
    switch_to "$name"
    mkdir -p "$root/usr/local/bin"
    if [ -e "$command" ] && [ ! -L "$command" ]; then
        say "$command is not from this script and stays; the command is /opt/oddaemon/bin/oddaemon."
    else
        ln -sfn /opt/oddaemon/bin/oddaemon "$command"
    fi
}

# One rename switches. Afterwards only this program and the one before are kept, for the way back.
switch_to() {
    before=$(readlink "$opt/current" || true)
    ln -sfn "releases/$1" "$opt/current.new"
    mv -fT "$opt/current.new" "$opt/current"
    for entry in bin lib share pyvenv.cfg; do
        # Earlier versions of this script installed in place.
        [ -L "$opt/$entry" ] || rm -rf "${opt:?}/$entry"
        ln -sfn "current/$entry" "$opt/$entry"
    done
    rm -rf "${opt:?}/include" "${opt:?}/lib64" "${opt:?}/constraints.txt"
    for old in "$opt"/releases/*; do
        case releases/${old##*/} in "releases/$1" | "$before") ;; *) rm -rf "$old" ;; esac
    done
}

install_units() {
    install -D -m 0644 "$opt/share/oddaemon/systemd/oddaemon.service" "$unit"
    install -D -m 0644 "$opt/share/oddaemon/systemd/oddaemon.sysusers" "$sysusers"
    install -D -m 0644 "$opt/share/oddaemon/systemd/oddaemon.tmpfiles" "$tmpfiles"
    if is_live; then
        systemd-sysusers "$sysusers"
    elif is_root; then
        systemd-sysusers --root="$root" oddaemon.conf
    fi
}

# Root owns it and the group reads it. An image that is made without root keeps the owner that made it.
own() {
    ! is_root || chown "$@"
}

install_configuration() {
    gid=$(sed -n "s/^$group:[^:]*:\([0-9]*\):.*/\1/p" "$root/etc/group" 2>/dev/null || true)
    for directory in "$etc" "$etc/offices.d"; do
        mkdir -p "$directory"
        own "0:${gid:-0}" "$directory"
        chmod 2750 "$directory"
    done
    mkdir -p "$etc/keys"
    own 0:0 "$etc/keys"
    chmod g-s,u=rwx,go= "$etc/keys"
    [ ! -e "$etc/oddaemon.toml" ] || return 0
    cat >"$etc/oddaemon.toml" <<'TOML'
# Every setting with its default: /opt/oddaemon/share/oddaemon/oddaemon.example.toml. Run `oddaemon check` after a change, then
# `systemctl reload oddaemon`; after a new key file `systemctl restart oddaemon`.

[api]
# A file of root, mode 0600, that holds only the key; systemd gives the daemon a copy of it.
developer_key_file = "developer.key"

[state]
database = "/var/lib/oddaemon/oddaemon.db"

[http]
listen = "127.0.0.1:9464"
control_socket = "/run/oddaemon/control.sock"

[offices]
# One file for each office. systemd also gives the daemon a copy of its `customer_key_file = "../keys/ID.key"`.
directory = "offices.d"
TOML
    own "0:${gid:-0}" "$etc/oddaemon.toml"
    chmod 0640 "$etc/oddaemon.toml"
}

start() {
    has_systemd || return 0
    systemctl daemon-reload
    if [ -n "$enable" ]; then
        systemctl enable --quiet oddaemon.service
        systemctl restart oddaemon.service || fail 'installed, but the service does not start: journalctl -u oddaemon -n 20'
    else
        # A running daemon still has the old program.
        systemctl try-restart oddaemon.service
    fi
}

install_all() {
    find_wheel
    check_python
    install_program
    install_units
    install_configuration
    start
    version=$("$opt/bin/python" -c 'from importlib.metadata import version; print(version("oddaemon"))')
    say "oddaemon $version is installed in $opt."
    if [ ! -e "$etc/developer.key" ]; then
        say "Next: put the developer key into $etc/developer.key (mode 0600) and offices into $etc/offices.d,"
        say 'then run: oddaemon check && systemctl enable --now oddaemon'
    fi
}

if [ -n "$remove" ]; then remove_all; else install_all; fi
