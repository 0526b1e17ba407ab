//! The codec from outside: tables of cases by topic, then properties over generated streams.

mod numbers;
mod properties;
mod replies;
mod requests;
mod values;
