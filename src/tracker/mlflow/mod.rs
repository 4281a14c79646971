//! The part of MLflow's REST interface that runs are uploaded with, as tried against MLflow 3.17.2
//! (<https://mlflow.org/docs/latest/rest-api.html>).

mod api;
mod batch;
mod client;
mod limits;
mod retry;
mod server;

pub use api::{RemoteRun, RunStatus};
pub use batch::{KeyValue, LogBatch, Point};
pub use client::{Answered, Client, Failure};
pub use limits::{POINTS, key_of};
pub use retry::retry;
pub use server::{Server, has_user_information};
