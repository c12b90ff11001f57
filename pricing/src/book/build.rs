//! How a book is made of plain offers. The order in which they come never matters: of an id seen
//! twice the later observation stays, and every group is sorted by what is in it.

use std::cmp::Ordering;
use std::collections::BTreeMap;
use std::ops::Range;

use tandem_model::gpu::GpuModel;
use tandem_model::network::Grade;
use tandem_model::offer::{Fabric, NodeLink, Offer};

use super::countries::{CountrySet, WORDS, number_of};
use super::free::{Free, FreeKey};
use super::rows::{Rows, hash_of};
use super::shelf::{Aisle, BLOCK, LEVELS, Section, Shelf, Summary};
use super::{Book, BookError, OFFERS_MAX};
use crate::quote::PRICE_MAX;

/// What the offers of a shelf agree in: card, grade, product, GPUs and splitting of a node, links,
/// fee. The product is a number until all are known.
type Key = (u8, Grade, u32, u16, bool, Fabric, NodeLink, u16);

/// An offer on its way to its row.
#[derive(Debug, Clone, Copy, Default)]
struct Entry {
    /// Active, idle, invalid.
    zone: u8,
    /// 0 where it is not believed.
    price: u32,
    /// Eight bytes of the id after what all ids of the shelf begin with.
    id_bytes: u64,
    /// Place in the input, and in the index.
    offer: u32,
    slot: u32,
}

/// Micro-dollars per GPU-hour, where the price can be believed.
fn sane_price(offer: &Offer) -> Option<u32> {
    let price = offer.price.price().get();
    let sane = price > 0 && price <= PRICE_MAX.price().get();
    sane.then(|| u32::try_from(price).ok())?
}

/// Which of two observations of an id stays: the later; of the same moment the dearer, then the
/// one with fewer nodes, then any, but always the same.
fn precedence(a: &Offer, b: &Offer) -> Ordering {
    let rest = |o: &Offer| {
        let texts = (o.network.clone(), o.product.clone(), o.locator.clone());
        let hardware = (o.gpu, o.grade, o.gpus_per_node, o.divisible);
        let links = (o.node_link, o.fabric);
        (texts, hardware, links, o.country, o.fee_basis_points)
    };
    let by_nodes = || b.nodes_available.cmp(&a.nodes_available);
    a.observed_at
        .cmp(&b.observed_at)
        .then_with(|| a.price.cmp(&b.price))
        .then_with(by_nodes)
        .then_with(|| rest(a).cmp(&rest(b)))
}

/// One offer of each id, as hash of the id and place in the input, sorted by hash and id.
fn one_of_each_id(offers: &[Offer]) -> Vec<(u32, u32)> {
    let places = 0..u32::try_from(offers.len()).unwrap_or(u32::MAX);
    let mut all: Vec<(u32, u32)> = places
        .map(|at| (hash_of(&offers[at as usize].id.0), at))
        .collect();
    let offer = |at: u32| &offers[at as usize];
    all.sort_unstable_by(|a, b| {
        a.0.cmp(&b.0).then_with(|| {
            let (a, b) = (offer(a.1), offer(b.1));
            a.id.cmp(&b.id).then_with(|| precedence(b, a))
        })
    });
    all.dedup_by(|later, kept| later.0 == kept.0 && offer(later.1).id == offer(kept.1).id);
    all
}

/// Puts every chosen offer on a shelf: the shelves in their final order, and for each of them its
/// entries.
fn shelve(offers: &[Offer], chosen: &[(u32, u32)]) -> (Vec<Shelf>, Vec<Vec<Entry>>) {
    let mut products: BTreeMap<(&str, &str), u32> = BTreeMap::new();
    for offer in offers {
        products.insert((offer.network.as_str(), &offer.product), 0);
    }
    for (number, place) in (0u32..).zip(products.values_mut()) {
        *place = number;
    }
    let cards: BTreeMap<GpuModel, u8> = GpuModel::all()
        .map(|m| (m, number_of(m).unwrap_or(u8::MAX)))
        .collect();
    // In the order of the input, which lies in memory as it is read.
    let mut slots: Vec<(u32, u32)> = chosen.iter().map(|(_, at)| *at).zip(0u32..).collect();
    slots.sort_unstable();
    let mut shelves: BTreeMap<Key, (Shelf, Vec<Entry>)> = BTreeMap::new();
    for (at, slot) in slots {
        let o = &offers[at as usize];
        let key: Key = (
            cards.get(&o.gpu).copied().unwrap_or(u8::MAX),
            o.grade,
            products[&(o.network.as_str(), o.product.as_str())],
            o.gpus_per_node,
            o.divisible,
            o.fabric,
            o.node_link,
            o.fee_basis_points,
        );
        let (_, entries) = shelves
            .entry(key)
            .or_insert_with(|| (shelf_of(o), Vec::new()));
        let price = sane_price(o);
        entries.push(Entry {
            zone: match price {
                None => 2,
                Some(_) if o.nodes_available == 0 => 1,
                Some(_) => 0,
            },
            price: price.unwrap_or(0),
            id_bytes: 0,
            offer: at,
            slot,
        });
    }
    let mut out: (Vec<Shelf>, Vec<Vec<Entry>>) = shelves.into_values().unzip();
    for (number, shelf) in (0u32..).zip(&mut out.0) {
        shelf.number = number;
    }
    out
}

fn shelf_of(o: &Offer) -> Shelf {
    Shelf {
        number: 0,
        network: o.network.clone(),
        product: o.product.as_str().into(),
        gpu: o.gpu,
        grade: o.grade,
        gpus_per_node: o.gpus_per_node,
        divisible: o.divisible,
        fabric: o.fabric,
        node_link: o.node_link,
        fee_basis_points: o.fee_basis_points,
    }
}

/// Sorts the entries of a shelf by zone, price and id. Long ids are compared only where their
/// first bytes after the common beginning are equal.
fn sort(offers: &[Offer], entries: &mut [Entry]) {
    let id = |entry: &Entry| offers[entry.offer as usize].id.0.as_str();
    let Some(first) = entries.first() else {
        return;
    };
    let first = id(first).as_bytes();
    let common = entries.iter().fold(first.len(), |common, entry| {
        let pairs = first[..common].iter().zip(id(entry).as_bytes());
        pairs.take_while(|(a, b)| a == b).count()
    });
    for entry in entries.iter_mut() {
        let rest = &id(entry).as_bytes()[common..];
        let mut bytes = [0; 8];
        let len = rest.len().min(8);
        bytes[..len].copy_from_slice(&rest[..len]);
        entry.id_bytes = u64::from_be_bytes(bytes);
    }
    entries.sort_unstable_by(|a, b| {
        let key = |e: &Entry| (e.zone, e.price, e.id_bytes);
        key(a).cmp(&key(b)).then_with(|| id(a).cmp(id(b)))
    });
}

/// Makes a book.
pub(super) fn build(offers: &[Offer]) -> Result<Book, BookError> {
    if offers.len() > OFFERS_MAX {
        return Err(BookError::TooManyOffers(offers.len()));
    }
    let mut chosen = one_of_each_id(offers);
    let (shelves, shelved) = shelve(offers, &chosen);
    let text = chosen
        .iter()
        .map(|(_, at)| offers[*at as usize].locator.len())
        .sum();
    let mut book = Book {
        rows: Rows::with_capacity(chosen.len(), text),
        summaries: Vec::with_capacity(shelves.len()),
        section_rows: Vec::with_capacity(chosen.len()),
        shelves,
        ..Book::default()
    };
    for (number, mut entries) in shelved.into_iter().enumerate() {
        sort(offers, &mut entries);
        for entry in &entries {
            let row = u32::try_from(book.rows.price.len()).unwrap_or(u32::MAX);
            let offer = &offers[entry.offer as usize];
            book.rows
                .push(offer, entry.price)
                .ok_or(BookError::TextsTooLong)?;
            chosen[entry.slot as usize].1 = row;
        }
        let zone_end = |zone: u8| entries.partition_point(|e| e.zone <= zone);
        summarise(&mut book, number, [0, 1, 2].map(zone_end));
    }
    chosen.shrink_to_fit();
    book.index = chosen;
    shrink(&mut book);
    Ok(book)
}

/// Gives back what was allocated and is not used.
fn shrink(book: &mut Book) {
    book.rows.text.shrink_to_fit();
    book.rows.odd_prices.shrink_to_fit();
    book.sections.shrink_to_fit();
    book.section_rows.shrink_to_fit();
    book.blocks.shrink_to_fit();
    book.aisles.shrink_to_fit();
}

fn number(len: usize) -> u32 {
    u32::try_from(len).expect("a book has at most OFFERS_MAX rows")
}

/// Adds the summary, the sections and the aisle of the shelf whose rows were added last; `zones`
/// are the ends of its active, idle and invalid rows, counted from its first row.
fn summarise(book: &mut Book, shelf: usize, zones: [usize; 3]) {
    let start = book.rows.price.len() - zones[2];
    let active = start..start + zones[0];
    let rows = &book.rows;
    let mut summary = Summary {
        gpus_per_node: book.shelves[shelf].gpus_per_node,
        divisible: book.shelves[shelf].divisible,
        is_linked: book.shelves[shelf].fabric == Fabric::Rdma,
        start: number(start),
        active_end: number(active.end),
        idle_end: number(start + zones[1]),
        end: number(start + zones[2]),
        price_min: rows.price[active.clone()].first().copied().unwrap_or(0),
        price_max: rows.price[active.clone()].last().copied().unwrap_or(0),
        at_least: [0; LEVELS],
        first: [number(active.end); LEVELS],
        oldest: rows.observed[active.clone()]
            .iter()
            .copied()
            .min()
            .unwrap_or(0),
        newest: rows.observed[active.clone()]
            .iter()
            .copied()
            .max()
            .unwrap_or(0),
        places: CountrySet::EMPTY,
        before: [0; WORDS],
        sections: number(book.sections.len()),
        blocks: number(book.blocks.len()),
    };
    count_levels(book, &mut summary, active.clone());
    add_sections(book, &mut summary, active);
    add_to_aisle(book, shelf, &summary);
    add_free(book, shelf, &summary);
    book.summaries.push(summary);
}

/// Counts active rows by level, in all and before every block but the first.
fn count_levels(book: &mut Book, summary: &mut Summary, active: Range<usize>) {
    for (done, row) in active.enumerate() {
        if done > 0 && done % BLOCK == 0 {
            let mut running = [0; LEVELS - 1];
            running.copy_from_slice(&summary.at_least[1..]);
            book.blocks.push(running);
        }
        for level in 0..LEVELS {
            if book.rows.nodes[row] < 1 << level {
                break;
            }
            if summary.at_least[level] == 0 {
                summary.first[level] = number(row);
            }
            summary.at_least[level] += 1;
        }
    }
}

fn add_sections(book: &mut Book, summary: &mut Summary, active: Range<usize>) {
    let mut by_country: Vec<(u16, u32)> = active
        .map(|row| (book.rows.country[row], number(row)))
        .collect();
    by_country.sort_unstable();
    for rows in by_country.chunk_by(|a, b| a.0 == b.0) {
        let code = rows[0].0;
        summary.places.insert_code(code);
        let start = number(book.section_rows.len());
        let mut at_least = [0; LEVELS - 1];
        for (_, row) in rows {
            book.section_rows.push(*row);
            let nodes = book.rows.nodes[*row as usize];
            for (level, count) in (1u32..).zip(&mut at_least) {
                *count += u32::from(nodes >= 1 << level);
            }
        }
        book.sections.push(Section {
            rows: start..number(book.section_rows.len()),
            at_least,
        });
    }
    summary.before = summary.places.ranks();
}

/// Adds a shelf to the aisle of its card and grade; shelves come sorted by them.
fn add_to_aisle(book: &mut Book, shelf: usize, summary: &Summary) {
    let shelf = &book.shelves[shelf];
    let is_datacenter = shelf.grade == Grade::Datacenter;
    let last = book.aisles.last_mut();
    let same = last.filter(|a| a.gpu == shelf.gpu && a.is_datacenter == is_datacenter);
    let invalid = u64::from(summary.end - summary.idle_end);
    if let Some(aisle) = same {
        aisle.shelves.end = shelf.number + 1;
        aisle.valid += summary.valid();
        aisle.invalid += invalid;
        return;
    }
    book.aisles.push(Aisle {
        shelves: shelf.number..shelf.number + 1,
        gpu: shelf.gpu,
        gpu_number: number_of(shelf.gpu).unwrap_or(u8::MAX),
        is_datacenter,
        is_enterprise: is_datacenter && shelf.gpu.is_a100_or_better(),
        vram_gb: u32::from(shelf.gpu.facts().vram_gb),
        export: shelf.gpu.export_class(),
        valid: summary.valid(),
        invalid,
    });
}

fn add_free(book: &mut Book, shelf: usize, summary: &Summary) {
    let nodes = book.rows.nodes[summary.active()].iter();
    let nodes: u64 = nodes.map(|n| u64::from(*n)).sum();
    let shelf = &book.shelves[shelf];
    let free = Free {
        offers: u64::from(summary.at_least[0]),
        nodes,
        gpus: nodes.saturating_mul(u64::from(shelf.gpus_per_node)),
    };
    let key = FreeKey {
        network: shelf.network.clone(),
        gpu: shelf.gpu,
        grade: shelf.grade,
    };
    let place = book.free.0.entry(key).or_default();
    *place = place.plus(free);
}
