//! A call into the library: on threads of our own, with the interpreter's lock released, so that other threads of Python run and
//! Ctrl-C is seen; what fails becomes an exception of Python.

use std::any::Any;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::process;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use histogen::error::Refusal;
use histogen::shutdown::{self, Stopped};
use pyo3::exceptions::{PyKeyboardInterrupt, PyRuntimeError, PyValueError};
use pyo3::prelude::*;
use pyo3::types::PyDict;
use rayon::{ThreadPool, ThreadPoolBuilder};

/// How often Python is asked whether Ctrl-C was pressed.
const TICK: Duration = Duration::from_millis(50);
/// How long a call that was interrupted is waited for, unless it must be closed.
const PATIENCE: Duration = Duration::from_millis(700);

/// The threads that compute. A process that was forked from one that had them has none, and makes its own.
static POOL: Mutex<Option<Pool>> = Mutex::new(None);

struct Pool {
    process: u32,
    size: usize,
    threads: Arc<ThreadPool>,
}

/// Calls that were interrupted and have not ended yet.
static ABANDONED: (Mutex<usize>, Condvar) = (Mutex::new(0), Condvar::new());

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The pool, with `threads` threads; 0 leaves it as it is, or begins with `RAYON_NUM_THREADS` or the number of cores.
fn pool(threads: usize) -> anyhow::Result<Arc<ThreadPool>> {
    let mut slot = lock(&POOL);
    if let Some(Pool {
        process,
        size,
        threads: pool,
    }) = &*slot
        && *process == process::id()
        && (threads == 0 || threads == *size)
    {
        return Ok(Arc::clone(pool));
    }
    let pool = ThreadPoolBuilder::new()
        .num_threads(threads)
        .thread_name(|index| format!("histogen-{index}"))
        .build()?;
    let new = Pool {
        process: process::id(),
        size: pool.current_num_threads(),
        threads: Arc::new(pool),
    };
    let pool = Arc::clone(&new.threads);
    if let Some(old) = slot.replace(new) {
        // Its threads may be those of another process, which cannot be waited for.
        std::mem::forget(old);
    }
    Ok(pool)
}

/// Computes with `threads` threads from now on; results do not depend on it.
#[pyfunction]
pub(crate) fn set_threads(threads: usize) -> PyResult<()> {
    if threads == 0 {
        return Err(PyValueError::new_err(
            "0 threads compute nothing: give at least 1",
        ));
    }
    pool(threads).map(drop).map_err(|error| exception(&error))
}

/// What a call tells whoever waits for it.
enum Message<T> {
    Progress {
        what: String,
        done: usize,
        total: usize,
    },
    Done(Result<anyhow::Result<T>, Box<dyn Any + Send>>),
}

/// Where a call says how far it is.
pub(crate) struct Teller(Box<Tell>);

/// Takes the name of a phase, how much of it is done, and of how much.
type Tell = dyn Fn(&str, usize, usize) + Send;

impl Teller {
    /// `done` of `total` of the phase called `what` are done.
    pub(crate) fn progress(&self, what: &str, done: usize, total: usize) {
        (self.0)(what, done, total);
    }
}

/// What an interruption means.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Interrupted {
    /// Nothing is lost: it may end by itself while Python goes on.
    Leaves,
    /// A run is to be closed with a checkpoint first.
    Closes,
}

/// Runs `job` on the threads that compute. `progress` is called as `tqdm.tqdm(total=…, desc=…)` is, once a phase.
pub(crate) fn run<T: Send + 'static>(
    py: Python<'_>,
    progress: Option<Py<PyAny>>,
    interrupted: Interrupted,
    job: impl FnOnce(&Teller) -> anyhow::Result<T> + Send + 'static,
) -> PyResult<T> {
    wait_for_abandoned(py)?;
    let pool = pool(0).map_err(|error| exception(&error))?;
    let (sender, receiver) = channel();
    let receiver = Mutex::new(receiver); // shared with the closure that waits without the interpreter's lock
    pool.spawn(move || carry_out(&sender, job));
    let mut bar = progress.map(Bar::new);
    let outcome = wait(py, &receiver, None, &mut bar);
    let closed = bar.map_or(Ok(()), |bar| bar.close(py));
    let interruption = match outcome {
        Ok(Some(result)) => return closed.and(result),
        Ok(None) => unreachable!("waits without an end"),
        Err(error) => error,
    };
    // Ctrl-C, or the progress bar failed: the computation is told, and what it says in the end is nobody's.
    shutdown::request();
    let patience = (interrupted == Interrupted::Leaves).then(|| Instant::now() + PATIENCE);
    loop {
        match wait(py, &receiver, patience, &mut None) {
            Ok(Some(_)) => shutdown::forget(),
            Ok(None) => abandon(receiver),
            Err(_) => continue, // pressed again: a checkpoint is being written
        }
        return Err(interruption);
    }
}

/// Does the job and says how it ended, a panic included.
fn carry_out<T: Send + 'static>(
    sender: &Sender<Message<T>>,
    job: impl FnOnce(&Teller) -> anyhow::Result<T>,
) {
    let told = sender.clone();
    let teller = Teller(Box::new(move |what, done, total| {
        let what = what.to_owned();
        let _ = told.send(Message::Progress { what, done, total });
    }));
    let result = catch_unwind(AssertUnwindSafe(|| job(&teller)));
    let _ = sender.send(Message::Done(result));
}

/// The result of a job; none at `end`. An exception is one that Python raised meanwhile.
fn wait<T: Send>(
    py: Python<'_>,
    receiver: &Mutex<Receiver<Message<T>>>,
    end: Option<Instant>,
    bar: &mut Option<Bar>,
) -> PyResult<Option<PyResult<T>>> {
    loop {
        let message = py.detach(|| lock(receiver).recv_timeout(TICK));
        match message {
            Ok(Message::Done(Ok(result))) => {
                return Ok(Some(result.map_err(|error| exception(&error))));
            }
            Ok(Message::Done(Err(panic))) => return Ok(Some(Err(panicked(panic.as_ref())))),
            Ok(Message::Progress { what, done, total }) => {
                if let Some(bar) = bar {
                    bar.update(py, &what, done, total)?;
                }
            }
            Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) => {
                let ended = PyRuntimeError::new_err("the computation ended without a result");
                return Ok(Some(Err(ended)));
            }
        }
        py.check_signals()?;
        if end.is_some_and(|end| Instant::now() > end) {
            return Ok(None);
        }
    }
}

/// Leaves a computation alone until it notices that nobody waits for it.
fn abandon<T: Send + 'static>(receiver: Mutex<Receiver<Message<T>>>) {
    *lock(&ABANDONED.0) += 1;
    std::thread::spawn(move || {
        let receiver = receiver
            .into_inner()
            .unwrap_or_else(PoisonError::into_inner);
        // Ends with the computation, which drops the other end.
        receiver.iter().for_each(drop);
        let mut abandoned = lock(&ABANDONED.0);
        *abandoned -= 1;
        if *abandoned == 0 {
            shutdown::forget();
            ABANDONED.1.notify_all();
        }
    });
}

/// Waits until nothing runs any more that was interrupted: it would take the next call for interrupted too.
fn wait_for_abandoned(py: Python<'_>) -> PyResult<()> {
    loop {
        let is_idle = py.detach(|| {
            let abandoned = lock(&ABANDONED.0);
            let (abandoned, _) = ABANDONED
                .1
                .wait_timeout_while(abandoned, TICK, |count| *count > 0)
                .unwrap_or_else(PoisonError::into_inner);
            *abandoned == 0
        });
        if is_idle {
            return Ok(());
        }
        py.check_signals()?;
    }
}

/// A bar that is made anew for every phase, by what `tqdm.tqdm` is called with.
struct Bar {
    make: Py<PyAny>,
    shown: Option<(String, usize, Py<PyAny>)>,
}

impl Bar {
    fn new(make: Py<PyAny>) -> Self {
        Self { make, shown: None }
    }

    fn update(&mut self, py: Python<'_>, what: &str, done: usize, total: usize) -> PyResult<()> {
        let is_shown = |(shown, ..): &(String, usize, Py<PyAny>)| shown == what;
        if !self.shown.as_ref().is_some_and(is_shown) {
            self.finish(py)?;
            let named = PyDict::new(py);
            named.set_item("total", total)?;
            named.set_item("desc", what)?;
            let bar = self.make.call(py, (), Some(&named))?;
            self.shown = Some((what.to_owned(), 0, bar));
        }
        let Some((_, before, bar)) = &mut self.shown else {
            return Ok(());
        };
        if done > *before {
            bar.call_method1(py, "update", (done - *before,))?;
            *before = done;
        }
        Ok(())
    }

    fn finish(&mut self, py: Python<'_>) -> PyResult<()> {
        match self.shown.take() {
            Some((.., bar)) => bar.call_method0(py, "close").map(drop),
            None => Ok(()),
        }
    }

    fn close(mut self, py: Python<'_>) -> PyResult<()> {
        self.finish(py)
    }
}

/// The exception that an error of the library is: the sentence of the command line, with its hint on a line of its own.
pub(crate) fn exception(error: &anyhow::Error) -> PyErr {
    if error.downcast_ref::<Stopped>().is_some() {
        return PyKeyboardInterrupt::new_err(error.to_string());
    }
    let causes = || error.chain();
    if let Some(refusal) = causes().find_map(|cause| cause.downcast_ref::<Refusal>()) {
        let hint = if refusal.hint.is_empty() {
            ""
        } else {
            "\nhint: "
        };
        return PyValueError::new_err(format!("{error:#}{hint}{}", refusal.hint));
    }
    match causes().find_map(|cause| cause.downcast_ref::<io::Error>()) {
        Some(cause) => io::Error::new(cause.kind(), format!("{error:#}")).into(),
        None => PyRuntimeError::new_err(format!("{error:#}")),
    }
}

fn panicked(panic: &(dyn Any + Send)) -> PyErr {
    let said = panic.downcast_ref::<String>().map(String::as_str);
    let said = said.or_else(|| panic.downcast_ref::<&str>().copied());
    PyRuntimeError::new_err(format!(
        "a fault of histogen: {}; please report it",
        said.unwrap_or("it says no more")
    ))
}
