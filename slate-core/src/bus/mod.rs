//! Events and requests between services: [`EventBus`], subjects, and every typed event of the seeds.

mod durable;
mod ext;
mod live;
mod mailbox;
mod message;
mod subject;
mod subscription;
mod topic;
mod traits;

pub mod event;

pub use durable::{ConsumeOptions, Deliveries, Delivery, DurableBus, Settle};
pub use ext::EventBusExt;
pub use live::{Announcing, BatchOptions, Batcher, Present};
pub use mailbox::{Mailbox, Pushed, PushedAll};
pub use message::{Message, headers};
pub use subject::{Subject, SubjectFilter};
pub use subscription::{Overflow, SubscribeOptions, Subscription};
pub use topic::{
    AssetTopic, BuildTopic, CollabTopic, ContainerTopic, EditorTopic, FileTopic, ProjectTopic, RuntimeTopic, Topic,
    filters,
};
pub use traits::{BusState, BusStatus, EventBus};
