//! Entry points. Nothing else.
#![allow(missing_docs)] // The only public item is the one that the macro makes for the host.

mod exchange;
mod gateway;
mod hedge;
mod host;
mod ledger;
mod mirror;
mod observe;
mod passage;
mod passing;
mod rehearsal;
mod root;
mod settle;
mod silence;
mod state;
mod stats;
mod table;
mod token;
mod turn;
mod upstream;

proxy_wasm::main! {{
    proxy_wasm::set_log_level(proxy_wasm::types::LogLevel::Info);
    proxy_wasm::set_root_context(|_| Box::new(root::Root::default()));
}}
