//! Configuration in, contexts out.

use std::rc::Rc;

use dragoman_core::admission::Gateway;
use dragoman_core::config::{PluginConfig, Role};
use proxy_wasm::traits::{Context, HttpContext, RootContext};
use proxy_wasm::types::ContextType;

use crate::gateway::Stream;
use crate::host;
use crate::upstream::Upstream;

/// One plugin instance in one worker.
#[derive(Default)]
pub struct Root {
    plugin: Plugin,
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
    Upstream { hold_heads: bool, share_bodies: bool },
}

/// A context that lets everything through.
struct Idle;

impl Context for Idle {}
impl HttpContext for Idle {}

fn configure(json: &[u8]) -> Result<Plugin, String> {
    let raw: PluginConfig = serde_json::from_slice(json).map_err(|error| error.to_string())?;
    Ok(match raw.role {
        Role::Off => Plugin::Off,
        Role::Upstream => Plugin::Upstream { hold_heads: raw.hold_heads, share_bodies: raw.share_bodies },
        role @ (Role::Gateway | Role::Inline) => Plugin::Gateway {
            gateway: Rc::new(Gateway::check(raw, &host::env)?),
            inline: role == Role::Inline,
        },
    })
}

impl Context for Root {}

impl RootContext for Root {
    fn on_configure(&mut self, _: usize) -> bool {
        let json = self.get_plugin_configuration().unwrap_or_default();
        match configure(&json) {
            Ok(plugin) => {
                self.plugin = plugin;
                true
            }
            Err(why) => {
                // Envoy refuses the config then: the old one stays, or the start fails.
                log::error!("dragoman: the plugin's configuration is wrong: {why}");
                false
            }
        }
    }

    fn get_type(&self) -> Option<ContextType> {
        Some(ContextType::HttpContext)
    }

    fn create_http_context(&self, id: u32) -> Option<Box<dyn HttpContext>> {
        Some(match &self.plugin {
            Plugin::Off => Box::new(Idle),
            Plugin::Gateway { gateway, inline } => Box::new(Stream::new(id, Rc::clone(gateway), *inline)),
            Plugin::Upstream { hold_heads, share_bodies } => {
                Box::new(Upstream::new(*hold_heads, *share_bodies))
            }
        })
    }
}
