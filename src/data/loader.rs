//! Batches of real images, read ahead: while a step computes, a thread of its own reads the next batch.

use std::panic::resume_unwind;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread::{Scope, ScopedJoinHandle};

use super::{Batches, PatchStore, Symmetry, turn};
use crate::error::Result;
use crate::images::Images;

/// What a training step sees: real images, which patches of the store they are, their classes, and what a paired model
/// gets beside each.
#[derive(Clone, Debug)]
pub struct Batch {
    /// The images.
    pub images: Images,
    /// Their places in the patch store: what is computed once per patch can be kept under these and the symmetry.
    pub patches: Vec<usize>,
    /// How each was turned and mirrored.
    pub symmetries: Vec<Symmetry>,
    /// The class of each, an index into `class_names`.
    pub classes: Vec<usize>,
    /// The names of all classes of the store, sorted.
    pub class_names: Arc<[String]>,
    /// The input of each image, where the store has inputs.
    pub inputs: Option<Images>,
}

/// Hands out the batches of a training's steps. What a batch holds depends on its step alone, so reading ahead changes
/// nothing but the time.
pub struct Loader<'scope> {
    /// The steps whose batches are wanted.
    wanted: Sender<u64>,
    read: Receiver<(u64, Result<Batch>)>,
    thread: Option<ScopedJoinHandle<'scope, ()>>,
    /// The step that was asked for last and is not handed out yet.
    ahead: Option<u64>,
    steps: u64,
}

impl<'scope> Loader<'scope> {
    /// Starts the thread, which ends when the loader is dropped. Nothing is read ahead of the last of `steps`.
    pub fn start<'environment>(
        scope: &'scope Scope<'scope, 'environment>,
        store: &'environment PatchStore,
        mut batches: Batches,
        steps: u64,
    ) -> Self {
        let (wanted, asked) = channel();
        let (answer, read) = channel();
        let thread = scope.spawn(move || {
            for step in asked {
                let batch = read_batch(store, batches.at(step), batches.symmetries_at(step));
                if answer.send((step, batch)).is_err() {
                    return; // nobody waits any more
                }
            }
        });
        Self {
            wanted,
            read,
            thread: Some(thread),
            ahead: None,
            steps,
        }
    }

    /// The batch of step `step`, counted from 0. That of the step after it is read from now on.
    ///
    /// # Errors
    /// If the store can no longer be read.
    pub fn at(&mut self, step: u64) -> Result<Batch> {
        if self.ahead != Some(step) {
            self.ask(step);
        }
        loop {
            let (found, batch) = self.receive();
            if found == step {
                let next = step + 1;
                self.ahead = None;
                if next < self.steps {
                    self.ask(next);
                }
                return batch;
            }
        }
    }

    fn ask(&mut self, step: u64) {
        self.ahead = Some(step);
        // Where the thread has ended, `receive` says why.
        let _ = self.wanted.send(step);
    }

    fn receive(&mut self) -> (u64, Result<Batch>) {
        self.read.recv().unwrap_or_else(|_| {
            let ended = self.thread.take().map(ScopedJoinHandle::join);
            match ended {
                Some(Err(panic)) => resume_unwind(panic),
                _ => unreachable!("the thread reads as long as it is asked"),
            }
        })
    }
}

fn read_batch(store: &PatchStore, patches: Vec<usize>, symmetries: Vec<Symmetry>) -> Result<Batch> {
    let mut images = store.read(&patches)?.to_images();
    let mut inputs = store.inputs(&patches)?.map(|inputs| inputs.to_images());
    turn(&mut images, &symmetries);
    if let Some(inputs) = &mut inputs {
        turn(inputs, &symmetries);
    }
    let classes = store.class_indices();
    Ok(Batch {
        images,
        inputs,
        classes: patches.iter().map(|&patch| classes[patch]).collect(),
        patches,
        symmetries,
        class_names: store.classes().clone(),
    })
}
