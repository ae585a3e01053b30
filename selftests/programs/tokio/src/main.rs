// SPDX-License-Identifier: GPL-2.0

//! An echo server and its clients on tokio, for `selftests/programs/tokio.sh`.
//!
//! `tokio-echo serve ADDRESS...`, `tokio-echo PART ADDRESS`.

use std::error::Error;
use std::io::ErrorKind;
use std::net::SocketAddr;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::time::timeout;

type Outcome = Result<(), Box<dyn Error + Send + Sync>>;

/// Says everything back; resets if the first byte is an `R`, and keeps silent after an `S`.
async fn serve_one(mut stream: TcpStream) -> Outcome {
    let mut first = [0];
    if stream.read(&mut first).await? == 0 {
        return Ok(());
    }
    match first[0] {
        b'R' => stream.set_zero_linger()?,
        b'S' => while stream.read(&mut first).await? != 0 {},
        _ => {
            stream.set_nodelay(true)?;
            let (mut reader, mut writer) = stream.split();
            writer.write_all(&first).await?;
            tokio::io::copy(&mut reader, &mut writer).await?;
            writer.shutdown().await?;
        }
    }
    Ok(())
}

async fn serve(addresses: &[SocketAddr]) -> Outcome {
    let mut tasks = Vec::new();
    for &address in addresses {
        let socket = match address {
            SocketAddr::V4(_) => TcpSocket::new_v4()?,
            SocketAddr::V6(_) => TcpSocket::new_v6()?,
        };
        socket.set_reuseaddr(true)?;
        socket.set_reuseport(true)?;
        socket.bind(address)?;
        let listener: TcpListener = socket.listen(200)?;
        tasks.push(tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(serve_one(stream));
            }
        }));
    }
    for task in tasks {
        task.await?;
    }
    Ok(())
}

fn data(len: usize, seed: u32) -> Vec<u8> {
    let mut x = seed | 1;
    (0..len)
        .map(|_| {
            x = x.wrapping_mul(1664525).wrapping_add(1013904223);
            (x >> 24) as u8
        })
        .collect()
}

/// Writes and reads at the same time.
async fn echo(to: SocketAddr, len: usize, seed: u32) -> Outcome {
    let stream = TcpStream::connect(to).await?;
    if stream.peer_addr()? != to {
        return Err("peer_addr() is another".into());
    }
    let (mut reader, mut writer) = stream.into_split();
    let sent = data(len, seed);
    let copy = sent.clone();
    let write = tokio::spawn(async move {
        writer.write_all(&copy).await?;
        writer.shutdown().await
    });
    let mut got = Vec::new();
    reader.read_to_end(&mut got).await?;
    write.await??;
    if got == sent {
        Ok(())
    } else {
        Err("the echo is another".into())
    }
}

async fn many(to: SocketAddr) -> Outcome {
    let tasks: Vec<_> = (0..200)
        .map(|i| tokio::spawn(echo(to, 1000 + 100 * i as usize, i)))
        .collect();
    for task in tasks {
        task.await??;
    }
    Ok(())
}

async fn peek(to: SocketAddr) -> Outcome {
    let mut stream = TcpStream::connect(to).await?;
    stream.write_all(b"hello").await?;
    let (mut first, mut second) = ([0; 5], [0; 5]);
    while stream.peek(&mut first).await? < 5 {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    stream.read_exact(&mut second).await?;
    stream.writable().await?;
    match stream.try_read(&mut second) {
        Err(error) if error.kind() == ErrorKind::WouldBlock && first == *b"hello" => Ok(()),
        other => Err(format!("{first:?}, {other:?}").into()),
    }
}

async fn waits(to: SocketAddr) -> Outcome {
    let mut stream = TcpStream::connect(to).await?;
    stream.write_all(b"S").await?;
    let mut byte = [0];
    match timeout(Duration::from_millis(300), stream.read(&mut byte)).await {
        Err(_) => Ok(()),
        Ok(_) => Err("something came".into()),
    }
}

async fn reset(to: SocketAddr) -> Outcome {
    let mut stream = TcpStream::connect(to).await?;
    stream.write_all(b"R").await?;
    match stream.read(&mut [0]).await {
        Err(error) if error.kind() == ErrorKind::ConnectionReset => Ok(()),
        other => Err(format!("{other:?}").into()),
    }
}

async fn refused(to: SocketAddr) -> Outcome {
    match TcpStream::connect(SocketAddr::new(to.ip(), 9)).await {
        Err(error) if error.kind() == ErrorKind::ConnectionRefused => Ok(()),
        other => Err(format!("{other:?}").into()),
    }
}

#[tokio::main]
async fn main() -> Outcome {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [part, addresses @ ..] = arguments.as_slice() else {
        return Err("tokio-echo PART ADDRESS...".into());
    };
    let addresses = addresses
        .iter()
        .map(|a| a.parse())
        .collect::<Result<Vec<SocketAddr>, _>>()?;
    let &[to, ..] = addresses.as_slice() else {
        return Err("no address".into());
    };
    match part.as_str() {
        "serve" => serve(&addresses).await,
        "echo" => echo(to, 4_000_000, 1).await,
        "many" => many(to).await,
        "peek" => peek(to).await,
        "timeout" => waits(to).await,
        "reset" => reset(to).await,
        "refused" => refused(to).await,
        _ => Err("no such part".into()),
    }
}
