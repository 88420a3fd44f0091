//! x
mod yaml;
mod litellm;
mod schema;
fn main(){ println!("{}", serde_json::to_string_pretty(&schema::schema()).unwrap_or_default()); }
