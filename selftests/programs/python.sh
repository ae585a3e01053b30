# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
# Python: http.server with urllib and http.client; asyncio and socketserver (python.py).
# shellcheck source=selftests/programs/lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
mkdir "$work/www"
random "$work/www/file" 4000000
serve /usr/bin/python3 -m http.server --bind 10.0.0.2 --directory "$work/www" 8000
listening 8000
client /usr/bin/python3 "$here/python.py" http "$work/www/file" 10.0.0.2 8000 2>>"$work/client.log"
check $? "http.server: files, one connection and many"
serve /usr/bin/python3 -m http.server --bind :: --directory "$work/www" 8001
listening 8001 6
client /usr/bin/python3 "$here/python.py" http "$work/www/file" fd00::2 8001 2>>"$work/client.log"
check $? "http.server: over IPv6"
serve /usr/bin/python3 "$here/python.py" serve "$work/www/file"
listening 8013 && listening 8010 && listening 8011 6
for part in echo many file timeout abort protocol sock; do
	client /usr/bin/python3 "$here/python.py" asyncio "$work/www/file" 10.0.0.2 8010 $part 2>>"$work/client.log"
	check $? "asyncio: $part"
done
client /usr/bin/python3 "$here/python.py" asyncio "$work/www/file" fd00::2 8011 echo 2>>"$work/client.log"
check $? "asyncio: over IPv6"
client /usr/bin/python3 "$here/python.py" blocking "$work/www/file" 10.0.0.2 8012 2>>"$work/client.log"
check $? "socketserver: a thread for each"
client /usr/bin/python3 "$here/python.py" blocking "$work/www/file" 10.0.0.2 8013 2>>"$work/client.log"
check $? "socketserver: a process for each"
kill "$pid"
finish
