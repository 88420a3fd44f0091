//! Configuration in, contexts out.

use std::rc::Rc;

use dragoman_core::admission::Gateway;
use dragoman_core::config::Role;
use proxy_wasm::traits::{Context, HttpContext, RootContext};
use proxy_wasm::types::ContextType;

use crate::gateway::Stream;
use crate::hedge;
use crate::host;
use crate::mirror::Copy;
use crate::observe;
use crate::rehearsal::Rehearsal;
use crate::silence;
use crate::state;
use crate::token::{TICK, Tokens};
use crate::upstream::{Habits, Upstream};

/// One plugin instance in one worker.
#[derive(Default)]
pub struct Root {
    plugin: Plugin,
    tokens: Tokens,
}

/// What a plugin instance does.
#[derive(Default)]
enum Plugin {
    /// Nothing: it lets everything through.
    #[default]
    Off,
    /// The gateway role, or the inline role.
    Gateway { gateway: Rc<Gateway>, inline: bool },
    /// The upstream role.
    Upstream(Habits),
    /// Translation of copies.
    Mirror,
}

/// A context that lets everything through.
struct Idle;

impl Context for Idle {}
impl HttpContext for Idle {}

fn configure(json: &[u8]) -> Result<(Plugin, Tokens), String> {
    let raw = dragoman_config::plugin(json).map_err(|error| error.to_string())?;
    if raw.observe.is_some() {
        observe::declare();
    }
    let mut tokens = Tokens::default();
    let plugin = match raw.role {
        Role::Off => Plugin::Off,
        Role::Upstream => Plugin::Upstream(Habits {
            hold_heads: raw.hold_heads,
            share_bodies: raw.share_bodies,
            share_targets: raw.share_targets,
            traces: raw.observe.is_some_and(|observe| observe.traces),
        }),
        Role::Mirror => Plugin::Mirror,
        role @ (Role::Gateway | Role::Inline) => {
            let gateway = Gateway::check(raw, &host::env)?;
            // The upstream role knows no target before its first attempt: the gateway gets the tokens for both.
            let targets = gateway.targets.iter().map(|target| &**target);
            tokens = Tokens::of(targets).map_err(|error| error.message)?;
            state::learn(&gateway);
            host::tick_every(TICK);
            Plugin::Gateway { gateway: Rc::new(gateway), inline: role == Role::Inline }
        }
    };
    Ok((plugin, tokens))
}

impl Context for Root {
    fn on_http_call_response(&mut self, call: u32, headers: usize, body: usize, _: usize) {
        self.tokens.answered(call, headers, body);
    }
}

impl RootContext for Root {
    fn on_configure(&mut self, _: usize) -> bool {
        let json = self.get_plugin_configuration().unwrap_or_default();
        match configure(&json) {
            Ok((plugin, tokens)) => {
                self.plugin = plugin;
                self.tokens = tokens;
                self.tokens.begin();
                true
            }
            Err(why) => {
                // Envoy refuses the config then: the old one stays, or the start fails.
                log::error!("dragoman: the plugin's configuration is wrong: {why}");
                false
            }
        }
    }

    fn on_tick(&mut self) {
        self.tokens.tick();
        state::tick();
        // Last, as they speak for other contexts.
        hedge::tick();
        silence::tick();
    }

    fn get_type(&self) -> Option<ContextType> {
        Some(ContextType::HttpContext)
    }

    fn create_http_context(&self, id: u32) -> Option<Box<dyn HttpContext>> {
        Some(match &self.plugin {
            Plugin::Off => Box::new(Idle),
            Plugin::Gateway { gateway, inline } => {
                let stream: Box<dyn HttpContext> = Box::new(Stream::new(id, Rc::clone(gateway), *inline));
                match &gateway.dry_run {
                    None => stream,
                    Some(routes) => {
                        let others = Some(stream).filter(|_| !routes.is_empty());
                        Box::new(Rehearsal::new(Rc::clone(gateway), !inline, others))
                    }
                }
            }
            Plugin::Upstream(habits) => Box::new(Upstream::new(id, *habits)),
            Plugin::Mirror => Box::new(Copy::new(id)),
        })
    }
}
