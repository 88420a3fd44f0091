//! Envoy's admin port: Dragoman's series, as Prometheus is told them.

use std::collections::BTreeMap;
use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

/// What Dragoman's labels begin with.
const LABEL: &str = "dragoman_";

/// One series.
#[derive(Debug, PartialEq)]
pub struct Sample {
    /// Its name without `dragoman_`.
    pub name: String,
    /// Its labels, without `dragoman_`.
    pub labels: BTreeMap<String, String>,
    /// Its value.
    pub value: f64,
}

/// All of Dragoman's series.
///
/// # Errors
/// When Envoy doesn't answer.
pub fn samples(admin: SocketAddr) -> Result<Vec<Sample>, String> {
    let answer = ask(admin).map_err(|error| format!("Envoy's admin port {admin} doesn't answer: {error}"))?;
    let (head, body) = answer.split_once("\r\n\r\n").unwrap_or((&answer, ""));
    if !head.starts_with("HTTP/1.1 200") {
        return Err(format!(
            "{admin} is no admin port of Envoy's: {}",
            head.lines().next().unwrap_or_default()
        ));
    }
    let chunked = head.to_ascii_lowercase().contains("transfer-encoding: chunked");
    let body = if chunked { joined(body) } else { body.to_owned() };
    Ok(body.lines().filter_map(sample).collect())
}

fn ask(admin: SocketAddr) -> std::io::Result<String> {
    let mut stream = TcpStream::connect_timeout(&admin, Duration::from_secs(2))?;
    stream.set_read_timeout(Some(Duration::from_secs(10)))?;
    write!(
        stream,
        "GET /stats/prometheus?filter=dragoman HTTP/1.1\r\nhost: {admin}\r\nconnection: close\r\n\r\n"
    )?;
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer)?;
    Ok(String::from_utf8_lossy(&answer).into_owned())
}

/// A body without the sizes of its chunks.
fn joined(mut rest: &str) -> String {
    let mut body = String::new();
    while let Some((size, more)) = rest.split_once("\r\n") {
        let size = usize::from_str_radix(size.trim(), 16).unwrap_or_default();
        let Some((chunk, after)) = more.split_at_checked(size).filter(|_| size > 0) else { break };
        body.push_str(chunk);
        rest = after.strip_prefix("\r\n").unwrap_or(after);
    }
    body
}

/// `dragoman_requests{dragoman_route="r"} 3`
fn sample(line: &str) -> Option<Sample> {
    let (series, value) = line.strip_prefix(LABEL)?.rsplit_once(' ')?;
    let (name, labels) = series.split_once('{').unwrap_or((series, ""));
    let mut found = BTreeMap::new();
    let mut rest = labels;
    while let Some((key, more)) = rest.split_once("=\"") {
        let mut text = String::new();
        let mut characters = more.char_indices();
        let mut end = more.len();
        while let Some((at, character)) = characters.next() {
            match character {
                '"' => {
                    end = at + 1;
                    break;
                }
                '\\' => text.extend(characters.next().map(|(_, escaped)| escaped)),
                other => text.push(other),
            }
        }
        let key = key.trim_start_matches(',');
        found.insert(key.strip_prefix(LABEL).unwrap_or(key).to_owned(), text);
        rest = more.get(end..).unwrap_or_default();
    }
    Some(Sample { name: name.to_owned(), labels: found, value: value.parse().ok()? })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_series_is_read_with_its_labels() {
        let read = sample(r#"dragoman_requests{dragoman_route="a,\"b\"",dragoman_status="2xx"} 3"#).unwrap();
        assert_eq!((read.name.as_str(), read.value), ("requests", 3.0));
        assert_eq!(read.labels["route"], "a,\"b\"");
        assert_eq!(read.labels["status"], "2xx");
        assert_eq!(sample("# TYPE dragoman_requests counter"), None);
        assert_eq!(joined("3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n"), "abcde");
    }
}
