# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
# nginx with two workers, curl: files, ranges, connections kept and in parallel, TLS, HTTP/2,
# nginx as a proxy, uploads, a reload.
# shellcheck source=selftests/programs/lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
mkdir -p "$work/www/up" "$work/tmp"
random "$work/www/big" 16777216
random "$work/www/small" 5000
random "$work/upload" 3000000
openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 -subj /CN=test \
	-keyout "$work/key" -out "$work/cert" 2>/dev/null
cat >"$work/conf" <<CONF
user root;
worker_processes 2;
daemon off;
pid $work/pid;
error_log stderr;
events { worker_connections 256; }
http {
	access_log off;
	sendfile on;
	tcp_nopush on;
	keepalive_requests 1000;
	client_max_body_size 64m;
	client_body_temp_path $work/tmp;
	proxy_temp_path $work/tmp;
	fastcgi_temp_path $work/tmp;
	uwsgi_temp_path $work/tmp;
	scgi_temp_path $work/tmp;
	server {
		listen 10.0.0.2:8001 reuseport backlog=128 so_keepalive=30s:5s:3;
		listen [fd00::2]:8001;
		root $work/www;
	}
	server { listen 10.0.0.2:8002 ssl; ssl_certificate $work/cert; ssl_certificate_key $work/key; root $work/www; }
	server { listen 10.0.0.2:8003 http2; root $work/www; }
	server { listen 10.0.0.2:8004; location / { proxy_pass http://10.0.0.2:8001; } }
	server { listen 10.0.0.2:8005 deferred; root $work/www; location / { dav_methods PUT; } }
}
CONF
serve nginx -c "$work/conf" -p "$work" -e stderr
listening 8005

# fetch NAME URL OPTIONS...: the file of that name, by curl.
fetch() {
	local name=$1 url=$2
	shift 2
	rm -f "$work/got"
	client curl -sS --max-time 120 "$@" -o "$work/got" "$url" 2>>"$work/curl.log" &&
		same "$work/got" "$work/www/$name"
}

fetch big http://10.0.0.2:8001/big
check $? "16 MiB by sendfile()"
fetch big "http://[fd00::2]:8001/big"
check $? "16 MiB over IPv6"
fetch big https://10.0.0.2:8002/big -k
check $? "16 MiB over TLS"
fetch big http://10.0.0.2:8003/big --http2-prior-knowledge
check $? "16 MiB over HTTP/2"
fetch big http://10.0.0.2:8004/big
check $? "16 MiB through nginx as a proxy"
client curl -sS --max-time 60 -r 1000000-1999999 -o "$work/got" http://10.0.0.2:8001/big
tail -c +1000001 "$work/www/big" | head -c 1000000 | cmp -s - "$work/got"
check $? "a range"
# The number of connections that curl made is the sum of what each transfer says.
client curl -sS --max-time 120 -o "$work/got" -w '%{http_code} %{num_connects}\n' \
	"http://10.0.0.2:8001/small?[1-60]" >"$work/said" 2>>"$work/curl.log"
[ "$(grep -c ^200 "$work/said")" = 60 ] && [ "$(awk '{ n += $2 } END { print n }' "$work/said")" = 1 ]
check $? "60 requests over one connection"
client curl -sS --max-time 120 -Z --parallel-max 20 -H 'Connection: close' -o "$work/got.#1" -w '%{http_code}\n' \
	"http://10.0.0.2:8001/small?[1-60]" >"$work/said" 2>>"$work/curl.log"
[ "$(grep -c ^200 "$work/said")" = 60 ] && [ "$(sha256sum "$work"/got.* | awk '{ print $1 }' | sort -u | wc -l)" = 1 ]
check $? "60 connections, 20 at once"
client curl -sS --max-time 60 -T "$work/upload" http://10.0.0.2:8005/up/file 2>>"$work/curl.log" &&
	same "$work/upload" "$work/www/up/file"
check $? "an upload, to a deferred listener"
kill -HUP "$pid"
sleep 1
fetch small http://10.0.0.2:8001/small
check $? "a reload"
kill "$pid"
wait "$pid" 2>/dev/null
finish
