# Fetches a file over HTTP(S) and checks its SHA-256. Needs curl, wget or python3.
tandem_say() { echo "tandem: $*" >&2; }
tandem_get() {
  if command -v curl >/dev/null 2>&1; then
    curl -fsSL --retry 3 --connect-timeout 20 --max-time 600 -o "$2" -- "$1"
  elif command -v wget >/dev/null 2>&1; then
    # Some builds of busybox crash on -T, and some do not know -t.
    wget -q -T 60 -t 4 -O "$2" -- "$1" || timeout 600 wget -q -O "$2" -- "$1"
  elif command -v python3 >/dev/null 2>&1; then
    python3 -c 'import shutil,sys,urllib.request as u
with u.urlopen(sys.argv[1],timeout=60) as r, open(sys.argv[2],"wb") as f: shutil.copyfileobj(r,f)' "$1" "$2"
  else
    tandem_say "curl, wget or python3 is needed to fetch $3"
    return 127
  fi
}
tandem_digest() {
  if command -v sha256sum >/dev/null 2>&1; then
    sha256sum <"$1" | cut -d ' ' -f 1
  elif command -v shasum >/dev/null 2>&1; then
    shasum -a 256 <"$1" | cut -d ' ' -f 1
  elif command -v python3 >/dev/null 2>&1; then
    python3 -c 'import hashlib,sys; print(hashlib.sha256(open(sys.argv[1],"rb").read()).hexdigest())' "$1"
  else
    tandem_say "sha256sum, shasum or python3 is needed to check a download"
    return 127
  fi
}
# tandem_fetch URL FILE SHA256 WHAT: the file appears only when its digest is right.
tandem_fetch() {
  if [ -f "$2" ] && [ "$(tandem_digest "$2")" = "$3" ]; then return 0; fi
  rm -f "$2.part"
  tandem_get "$1" "$2.part" "$4" || { tandem_say "$4 could not be fetched"; return 1; }
  tandem_found=$(tandem_digest "$2.part")
  if [ "$tandem_found" != "$3" ]; then
    rm -f "$2.part"
    tandem_say "the SHA-256 of $4 is $tandem_found, expected $3: refused"
    return 1
  fi
  mv "$2.part" "$2"
}
