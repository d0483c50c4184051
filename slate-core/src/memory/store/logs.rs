use super::{
    MemoryStore, PLACE,
    records::{bounds, holds},
};
use crate::{
    Error, LogId, Result, Timestamp,
    model::{LogEntry, LogSource},
    store::{Cursor, LogQuery, LogStore, Order, Page, PageRequest, check},
};
use async_trait::async_trait;
use std::collections::{BTreeMap, BTreeSet};

/// The stored lines.
#[derive(Default)]
pub(super) struct Logs {
    lines: BTreeMap<LogId, LogEntry>,
    by_source: BTreeSet<(LogSource, LogId)>,
    by_time: BTreeSet<(Timestamp, LogId)>,
    seqs: BTreeSet<(LogSource, u64)>,
}

impl Logs {
    /// Adds a line, unless it is there; whether it was added.
    fn add(&mut self, entry: LogEntry) -> bool {
        let known = entry.seq.is_some_and(|seq| self.seqs.contains(&(entry.source, seq)));
        if known || self.lines.contains_key(&entry.id) {
            return false;
        }
        self.by_source.insert((entry.source, entry.id));
        self.by_time.insert((entry.timestamp, entry.id));
        self.seqs.extend(entry.seq.map(|seq| (entry.source, seq)));
        self.lines.insert(entry.id, entry);
        true
    }

    fn remove(&mut self, id: LogId) {
        let Some(entry) = self.lines.remove(&id) else { return };
        self.by_source.remove(&(entry.source, id));
        self.by_time.remove(&(entry.timestamp, id));
        if let Some(seq) = entry.seq {
            self.seqs.remove(&(entry.source, seq));
        }
    }

    /// The lines for which the query holds, in this order, after this id.
    fn matching<'a>(
        &'a self,
        query: &'a LogQuery,
        order: Order,
        after: Option<LogId>,
    ) -> Box<dyn Iterator<Item = &'a LogEntry> + 'a> {
        let (first, last) = (LogId::from_u128(0), LogId::from_u128(u128::MAX));
        let ids: Box<dyn DoubleEndedIterator<Item = &'a LogEntry>> = match query.source {
            Some(source) => {
                let after = after.map(|id| (source, id));
                let range = self.by_source.range(bounds(order, after, (source, first), (source, last)));
                Box::new(range.filter_map(|(_, id)| self.lines.get(id)))
            }
            None => Box::new(self.lines.range(bounds(order, after, first, last)).map(|(_, entry)| entry)),
        };
        let ids: Box<dyn Iterator<Item = &'a LogEntry>> = match order {
            Order::Ascending => ids,
            Order::Descending => Box::new(ids.rev()),
        };
        Box::new(ids.filter(|entry| is_wanted(query, entry)))
    }
}

fn is_wanted(query: &LogQuery, entry: &LogEntry) -> bool {
    holds(query.level.as_ref(), |level| entry.level >= *level)
        && holds(query.since.as_ref(), |since| entry.timestamp >= *since)
        && holds(query.until.as_ref(), |until| entry.timestamp < *until)
        && holds(query.contains.as_ref(), |text| entry.message.contains(text.as_str()))
}

#[async_trait]
impl LogStore for MemoryStore {
    async fn append_logs(&self, entries: Vec<LogEntry>) -> Result<usize> {
        check::check_logs(&entries).map_err(|error| error.at(PLACE, "append_logs"))?;
        let mut state = self.state();
        Ok(entries.into_iter().filter(|entry| state.logs.add(entry.clone())).count())
    }

    async fn logs(&self, query: LogQuery, page: PageRequest) -> Result<Page<LogEntry>> {
        let list = || {
            let limit = page.checked_limit()?;
            let after = page.after.as_ref().map(Cursor::parse::<LogId>).transpose()?;
            let state = self.state();
            let skipped = query.offset.unwrap_or(0) as usize;
            let found = state.logs.matching(&query, page.order, after).skip(skipped).take(limit + 1).cloned().collect();
            Ok(Page::from_overfull(found, limit, |entry: &LogEntry| Cursor::new(entry.id.to_string())))
        };
        list().map_err(|error: Error| error.at(PLACE, "logs"))
    }

    async fn count_logs(&self, query: LogQuery) -> Result<u64> {
        Ok(self.state().logs.matching(&query, Order::Ascending, None).count() as u64)
    }

    async fn last_log_seq(&self, source: LogSource) -> Result<Option<u64>> {
        let state = self.state();
        Ok(state.logs.seqs.range((source, 0)..=(source, u64::MAX)).next_back().map(|(_, seq)| *seq))
    }

    async fn purge_logs(&self, before: Timestamp, limit: u32) -> Result<u64> {
        let mut state = self.state();
        let end = (before, LogId::from_u128(0));
        let old: Vec<LogId> = state.logs.by_time.range(..end).take(limit as usize).map(|(_, id)| *id).collect();
        old.iter().for_each(|id| state.logs.remove(*id));
        Ok(old.len() as u64)
    }
}
