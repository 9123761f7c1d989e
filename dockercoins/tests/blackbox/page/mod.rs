//! The page of `webui` in real Chromium, driven by chromedriver: what it shows of the counts, what it says
//! when Redis or webui is away, how keys, themes and narrow screens fare. It must never reach beyond loopback;
//! each test has a store, a webui and a browser of its own, and ends with them.
//!
//! Start reading at `backend` (the roles) and `browser` (Chromium).

mod arithmetic;
mod backend;
mod browser;
mod controls;
mod looks;
mod numbers;
mod outages;
