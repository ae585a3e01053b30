# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
# OpenSSH: commands, scp in both of its protocols and directions, forwarded ports.
# shellcheck source=selftests/programs/lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
mkdir -p /run/sshd
chmod 755 /run/sshd
ssh-keygen -q -t ed25519 -N '' -f "$work/host" && ssh-keygen -q -t ed25519 -N '' -f "$work/id"
cp "$work/id.pub" "$work/authorized"
cat >"$work/sshd_config" <<CONF
Port 2222
ListenAddress 10.0.0.2
ListenAddress fd00::2
HostKey $work/host
AuthorizedKeysFile $work/authorized
PidFile none
StrictModes no
UsePAM no
PermitRootLogin yes
PasswordAuthentication no
UseDNS no
TCPKeepAlive yes
ClientAliveInterval 5
Subsystem sftp internal-sftp
CONF
cat >"$work/ssh_config" <<CONF
Host *
IdentityFile $work/id
IdentitiesOnly yes
UserKnownHostsFile $work/known
StrictHostKeyChecking no
LogLevel ERROR
BatchMode yes
ConnectTimeout 60
ServerAliveInterval 5
CONF
# The guest's root is locked, which sshd minds. (ip netns exec has mounts of its own.)
sed 's/^root:[^:]*:/root:*:/' /etc/shadow >"$work/shadow"
serve sh -c "mount --bind '$work/shadow' /etc/shadow && exec '$(PATH=$PATH:/usr/sbin command -v sshd)' -D -e -f '$work/sshd_config'"
listening 2222
run() {
	client ssh -F "$work/ssh_config" -p 2222 "$@" 2>>"$work/client.log"
}
copy() {
	client scp -q -F "$work/ssh_config" -P 2222 "$@" 2>>"$work/client.log"
}

# shellcheck disable=SC2016
said=$(run root@10.0.0.2 'echo $SSH_CONNECTION; cat' <<<"some words")
[ "$(sed -E 's/ [0-9]+ / PORT /' <<<"$said" | tr '\n' ' ')" = "10.0.0.1 PORT 10.0.0.2 2222 some words " ]
check $? "a command, its input, and the addresses that it is told"
run root@10.0.0.2 'exit 7'
[ $? = 7 ]
check $? "a command's status"
# shellcheck disable=SC2016
[ "$(run root@fd00::2 'echo ${SSH_CONNECTION%% *}')" = fd00::1 ]
check $? "over IPv6"
random "$work/file" 10000000
copy "$work/file" "root@10.0.0.2:$work/there" && same "$work/file" "$work/there"
check $? "scp: 10 MB there"
copy "root@10.0.0.2:$work/file" "$work/back" && same "$work/file" "$work/back"
check $? "scp: 10 MB back"
rm -f "$work/there"
copy -O "$work/file" "root@10.0.0.2:$work/there" && same "$work/file" "$work/there"
check $? "scp: by its old protocol"
head -c 5000000 "$work/file" >"$work/part"
run root@10.0.0.2 "cat >$work/piped; cat $work/piped" <"$work/part" >"$work/piped.back"
same "$work/part" "$work/piped.back"
check $? "5 MB through a pipe there and back"
# A server behind, reached by a port of the client's that ssh forwards.
(exec ip netns exec "$B" "${SERVER[@]}" socat TCP-LISTEN:7100,bind=10.0.0.2,reuseaddr,fork EXEC:cat 2>>"$work/socat.log") &
listening 7100
client ssh -F "$work/ssh_config" -p 2222 -N -L 10.0.0.1:7200:10.0.0.2:7100 -R 10.0.0.2:7300:10.0.0.2:7100 \
	-o ExitOnForwardFailure=yes -o GatewayPorts=yes root@10.0.0.2 2>>"$work/client.log" &
wait_listen "$A" "$client_stack" 7200
head -c 1000000 "$work/file" >"$work/part"
client socat -t 30 - TCP:10.0.0.1:7200 <"$work/part" >"$work/part.back"
same "$work/part" "$work/part.back"
check $? "a forwarded port: 1 MB there and back"
kill "$pid"
wait "$pid" 2>/dev/null
finish
