//! What is told of requests, and where: `dragoman.access_log`, `dragoman.traces`, and the environment by
//! which LiteLLM's callbacks `otel` and `langfuse_otel` are told the same.

use std::collections::BTreeMap;

use dragoman_core::capture::Capture;
use dragoman_core::config::Address;

use super::Secrets;
use crate::check::{Environment, Problems, Read};
use crate::litellm::{self, Protocol, Told};
use crate::yaml::Place;

/// What the service is called unless the config says otherwise.
const DEFAULT_SERVICE: &str = "dragoman";
/// How much is told of a prompt and of an answer unless the config says otherwise, in bytes.
const DEFAULT_MAX_BYTES: usize = 4096;
/// Langfuse's own cloud, as LiteLLM takes it when nothing is said.
const LANGFUSE: &str = "https://us.cloud.langfuse.com";
/// Callbacks whose work Envoy does without being told.
const ALWAYS_ON: &[&str] = &["prometheus"];

/// What is told of requests, and where.
#[derive(Debug, Default)]
pub struct Observability {
    /// Whether lines go to standard output.
    pub stdout: bool,
    /// The file that lines go to.
    pub file: Option<String>,
    /// The collector that log records go to.
    pub logs: Option<Collector>,
    /// Where spans go.
    pub traces: Option<Traces>,
    /// What is told of prompts and answers.
    pub capture: Option<Captures>,
}

/// What is told of prompts and answers, and where.
#[derive(Debug)]
pub struct Captures {
    /// How much of each, in bytes.
    pub max_bytes: usize,
    /// What not.
    pub redact: Vec<String>,
    /// In logs.
    pub logs: bool,
    /// In traces.
    pub traces: bool,
}

/// Where spans go.
#[derive(Debug)]
pub struct Traces {
    /// The collector.
    pub collector: Collector,
    /// How many of a hundred requests are traced.
    pub sampling_percent: f64,
}

/// A collector of OpenTelemetry's.
#[derive(Debug)]
pub struct Collector {
    /// Where it is; the path is that of OTLP's endpoint without what it adds for each signal.
    pub address: Address,
    /// Whether it is spoken to over gRPC.
    pub grpc: bool,
    /// Headers, by the names of the variables that hold their values.
    pub headers: BTreeMap<String, String>,
    /// The name of the service that all is told for.
    pub service: String,
}

/// What is told, by the config and by the environment.
pub fn observability(
    read: &Read,
    environment: &Environment,
    secrets: &mut Secrets,
    problems: &mut Problems,
) -> Observability {
    let (ours, theirs) = (&read.config.dragoman, &read.config.litellm_settings);
    let mut room = Room { read, secrets, problems };
    let logs = ours
        .access_log
        .otlp
        .as_ref()
        .and_then(|otlp| room.collector(&["dragoman", "access_log", "otlp"], otlp));
    let traces = match &ours.traces {
        Some(traces) => room.traces(traces),
        None => room.callbacks(theirs, environment),
    };
    let capture = ours.capture.as_ref().and_then(|capture| room.capture(capture));
    Observability {
        stdout: ours.access_log.stdout || theirs.json_logs,
        file: ours.access_log.file.clone(),
        logs,
        traces,
        capture,
    }
}

struct Room<'a> {
    read: &'a Read,
    secrets: &'a mut Secrets,
    problems: &'a mut Problems,
}

impl Room<'_> {
    fn traces(&mut self, traces: &litellm::Traces) -> Option<Traces> {
        let otlp = litellm::Otlp {
            endpoint: traces.endpoint.clone(),
            protocol: traces.protocol,
            headers: traces.headers.clone(),
            service_name: traces.service_name.clone(),
        };
        let collector = self.collector(&["dragoman", "traces"], &otlp)?;
        Some(Traces { collector, sampling_percent: traces.sampling_percent.unwrap_or(100.0) })
    }

    fn capture(&mut self, capture: &litellm::Capture) -> Option<Captures> {
        let (max_bytes, redact) = (capture.max_bytes.unwrap_or(DEFAULT_MAX_BYTES), capture.redact.clone());
        if let Err(why) = Capture::check(max_bytes, &redact) {
            let at = self.read.node.place_of(&["dragoman", "capture", "redact"]);
            self.problems.error(at, "dragoman.capture", why);
            return None;
        }
        let tells = |place| capture.places.as_ref().is_none_or(|places| places.contains(&place));
        Some(Captures { max_bytes, redact, logs: tells(Told::Logs), traces: tells(Told::Traces) })
    }

    fn collector(&mut self, path: &[&str], otlp: &litellm::Otlp) -> Option<Collector> {
        let at = self.read.node.place_of(&[path, &["endpoint"]].concat());
        self.collector_at(at, &path.join("."), otlp)
    }

    fn collector_at(&mut self, at: Place, key: &str, otlp: &litellm::Otlp) -> Option<Collector> {
        let address = match Address::parse(&otlp.endpoint) {
            Ok(address) => address,
            Err(why) => {
                self.problems.error(at, &format!("{key}.endpoint"), why);
                return None;
            }
        };
        let grpc = match otlp.protocol {
            Some(protocol) => protocol == Protocol::Grpc,
            None => address.port != 4318 && address.path.is_empty(),
        };
        let mut headers = BTreeMap::new();
        for (name, value) in &otlp.headers {
            let key = format!("{key}.headers.{name}");
            if let Some(variable) = self.secrets.envoys(value, at, &key, self.problems) {
                headers.insert(name.to_ascii_lowercase(), variable);
            }
        }
        let service = otlp.service_name.clone().unwrap_or_else(|| DEFAULT_SERVICE.to_owned());
        Some(Collector { address, grpc, headers, service })
    }

    /// What LiteLLM's callbacks say.
    fn callbacks(
        &mut self,
        settings: &litellm::LitellmSettings,
        environment: &Environment,
    ) -> Option<Traces> {
        let mut found = None;
        for (key, list) in
            [("callbacks", &settings.callbacks), ("success_callback", &settings.success_callback)]
        {
            let at = self.read.node.place_of(&["litellm_settings", key]);
            let key = format!("litellm_settings.{key}");
            for name in list {
                let otlp = match name.as_str() {
                    "otel" => otel(environment),
                    "langfuse_otel" | "langfuse" => langfuse(environment),
                    known if ALWAYS_ON.contains(&known) => continue,
                    other => {
                        let says = format!(
                            "'{other}' is ignored: requests are told by Envoy's statistics, by dragoman.access_log and by \
                             dragoman.traces"
                        );
                        self.problems.warning(at, &key, says);
                        continue;
                    }
                };
                match otlp {
                    Ok(otlp) if found.is_none() => found = self.collector_at(at, &key, &otlp),
                    Ok(_) => {
                        let says = format!("'{name}' is ignored: traces go to one place, the first");
                        self.problems.warning(at, &key, says);
                    }
                    Err(why) => {
                        self.problems.warning(at, &key, format!("'{name}' is ignored: it {why}"));
                    }
                }
            }
        }
        Some(Traces { collector: found?, sampling_percent: 100.0 })
    }
}

/// The collector that OpenTelemetry's own variables name, or those that LiteLLM had before them.
fn otel(environment: &Environment) -> Result<litellm::Otlp, String> {
    let value = |names: &[&str]| names.iter().find_map(|name| environment.value(name));
    let endpoint =
        value(&["OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_ENDPOINT"])
            .ok_or(
                "needs the environment variable OTEL_EXPORTER_OTLP_ENDPOINT, or dragoman.traces instead",
            )?;
    let protocol = match value(&["OTEL_EXPORTER_OTLP_PROTOCOL", "OTEL_EXPORTER"]).as_deref() {
        Some("grpc" | "otlp_grpc") => Some(Protocol::Grpc),
        Some("http/protobuf" | "http/json" | "otlp_http") => Some(Protocol::Http),
        _ => None,
    };
    let listed = value(&["OTEL_EXPORTER_OTLP_HEADERS", "OTEL_HEADERS"]).unwrap_or_default();
    // `a=b,c=d`, with the values' special characters as %XX.
    let pairs = listed.split(',').filter_map(|pair| pair.split_once('='));
    let headers = pairs.map(|(name, value)| (name.trim().to_owned(), decoded(value.trim()))).collect();
    Ok(litellm::Otlp { endpoint, protocol, headers, service_name: value(&["OTEL_SERVICE_NAME"]) })
}

/// Langfuse's OTLP endpoint, with the project's keys.
/// <https://langfuse.com/integrations/native/opentelemetry>
fn langfuse(environment: &Environment) -> Result<litellm::Otlp, String> {
    let value = |name: &str| environment.value(name);
    let (Some(public), Some(secret)) = (value("LANGFUSE_PUBLIC_KEY"), value("LANGFUSE_SECRET_KEY")) else {
        let says = "needs the environment variables LANGFUSE_PUBLIC_KEY and LANGFUSE_SECRET_KEY, or dragoman.traces instead";
        return Err(says.to_owned());
    };
    let host = value("LANGFUSE_OTEL_HOST").or_else(|| value("LANGFUSE_HOST"));
    let host = host.unwrap_or_else(|| LANGFUSE.to_owned());
    let host = if host.contains("://") { host } else { format!("https://{host}") };
    let endpoint = format!("{}/api/public/otel", host.trim_end_matches('/'));
    let authorization = format!("Basic {}", base64(format!("{public}:{secret}").as_bytes()));
    let headers = BTreeMap::from([("authorization".to_owned(), authorization)]);
    Ok(litellm::Otlp {
        endpoint,
        protocol: Some(Protocol::Http),
        headers,
        service_name: value("OTEL_SERVICE_NAME"),
    })
}

/// A value without its %XX.
fn decoded(text: &str) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((first, tail)) = rest.split_first() {
        let code = tail.first_chunk::<2>().and_then(|code| std::str::from_utf8(code).ok());
        match code.and_then(|code| u8::from_str_radix(code, 16).ok()).filter(|_| *first == b'%') {
            Some(byte) => {
                bytes.push(byte);
                rest = tail.get(2..).unwrap_or_default();
            }
            None => {
                bytes.push(*first);
                rest = tail;
            }
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

/// Base64 with padding (RFC 4648, section 4).
fn base64(bytes: &[u8]) -> String {
    const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::with_capacity(bytes.len().div_ceil(3) * 4);
    for chunk in bytes.chunks(3) {
        let word =
            chunk.iter().fold(0_u32, |word, byte| word << 8 | u32::from(*byte)) << (8 * (3 - chunk.len()));
        for place in 0..4 {
            let six = usize::try_from(word >> (18 - 6 * place) & 63).unwrap_or_default();
            let letter = ALPHABET.get(six).copied().map_or('=', char::from);
            text.push(if place > chunk.len() { '=' } else { letter });
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn basic_authorization_is_spelled_as_the_rfc_says() {
        let spelled = ["", "f", "fo", "foo", "foob", "fooba", "foobar"].map(|text| base64(text.as_bytes()));
        assert_eq!(spelled, ["", "Zg==", "Zm8=", "Zm9v", "Zm9vYg==", "Zm9vYmE=", "Zm9vYmFy"]);
        assert_eq!(decoded("Basic%20YWI%3D%zz%"), "Basic YWI=%zz%");
    }
}
