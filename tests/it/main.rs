mod contract;
mod layout;
mod mathematics;
mod reward;
mod toy;
