//! How a book is made of plain offers. The order in which they come never matters: of an id seen
//! twice the later observation stays, and every group is sorted by what is in it.

use std::cmp::Ordering;
use std::collections::BTreeMap;
use std::ops::Range;

use tandem_model::gpu::GpuModel;
use tandem_model::network::Grade;
use tandem_model::offer::{Fabric, NodeLink, Offer};

use super::cards::number_of;
use super::free::{Free, FreeKey};
use super::rows::{Rows, hash_of};
use super::shelf::{Aisle, BLOCK, LEVEL_NODES, LEVELS, Places, Section, Shelf, Summary, level_of};
use super::{Book, BookError, OFFERS_MAX, ages, stock};
use crate::countries::CountrySet;
use crate::quote::PRICE_MAX;

/// What the offers of an aisle agree in: card, grade, product, fee. The product is a number.
type AisleKey = (u8, Grade, u32, u16);
/// What the offers of a shelf of an aisle agree in: GPUs and splitting of a node, links.
type ShelfKey = (u16, bool, Fabric, NodeLink);

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

/// The shelves of a book to be, with their entries, in their final order.
type Shelved = BTreeMap<(AisleKey, ShelfKey), Vec<Entry>>;

/// Puts every chosen offer on a shelf.
fn shelve(offers: &[Offer], chosen: &[(u32, u32)]) -> Shelved {
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
    let mut shelves = Shelved::new();
    for (at, slot) in slots {
        let o = &offers[at as usize];
        let card = cards.get(&o.gpu).copied().unwrap_or(u8::MAX);
        let product = products[&(o.network.as_str(), o.product.as_str())];
        let aisle = (card, o.grade, product, o.fee_basis_points);
        let shelf = (o.gpus_per_node, o.divisible, o.fabric, o.node_link);
        let price = sane_price(o);
        shelves.entry((aisle, shelf)).or_default().push(Entry {
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
    shelves
}

fn aisle_of(o: &Offer, number: u32) -> Aisle {
    Aisle {
        number,
        network: o.network.clone(),
        product: o.product.as_str().into(),
        gpu: o.gpu,
        grade: o.grade,
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
    let shelves = shelve(offers, &chosen);
    let text = chosen
        .iter()
        .map(|(_, at)| offers[*at as usize].locator.len())
        .sum();
    let mut book = Book {
        rows: Rows::with_capacity(chosen.len(), text),
        summaries: Vec::with_capacity(shelves.len()),
        shelves: Vec::with_capacity(shelves.len()),
        section_rows: Vec::with_capacity(chosen.len()),
        aisle_prices: Vec::with_capacity(chosen.len()),
        place_prices: Vec::with_capacity(chosen.len()),
        ..Book::default()
    };
    let mut last = None;
    let mut first_shelf = 0;
    for ((aisle, shelf), mut entries) in shelves {
        let Some(first) = entries.first() else {
            continue;
        };
        if last != Some(aisle) {
            close_aisle(&mut book, &mut first_shelf);
            let number = number(book.aisles.len());
            book.aisles
                .push(aisle_of(&offers[first.offer as usize], number));
            last = Some(aisle);
        }
        sort(offers, &mut entries);
        add_shelf(&mut book, shelf, offers, &entries, &mut chosen)?;
    }
    close_aisle(&mut book, &mut first_shelf);
    book.index = chosen;
    stock::number_places(&mut book);
    book.ages = ages::ages(&book);
    shrink(&mut book);
    Ok(book)
}

/// Adds the rows of a shelf to the last aisle; the index learns its rows.
fn add_shelf(
    book: &mut Book,
    (gpus_per_node, divisible, fabric, node_link): ShelfKey,
    offers: &[Offer],
    entries: &[Entry],
    index: &mut [(u32, u32)],
) -> Result<(), BookError> {
    for entry in entries {
        index[entry.slot as usize].1 = number(book.rows.price.len());
        book.rows
            .push(&offers[entry.offer as usize], entry.price)
            .ok_or(BookError::TextsTooLong)?;
    }
    book.shelves.push(Shelf {
        aisle: number(book.aisles.len()) - 1,
        gpus_per_node,
        divisible,
        fabric,
        node_link,
    });
    let zone_end = |zone: u8| entries.partition_point(|e| e.zone <= zone);
    summarise(book, [0, 1, 2].map(zone_end));
    Ok(())
}

/// Adds the counts of the last aisle, if it has none yet.
fn close_aisle(book: &mut Book, first_shelf: &mut u32) {
    if book.stocks.len() < book.aisles.len() {
        let end = number(book.shelves.len());
        stock::add(book, *first_shelf..end);
        *first_shelf = end;
    }
}

/// Gives back what was allocated and is not used.
fn shrink(book: &mut Book) {
    book.rows.text.shrink_to_fit();
    book.rows.odd_prices.shrink_to_fit();
    book.sections.shrink_to_fit();
    book.section_rows.shrink_to_fit();
    book.blocks.shrink_to_fit();
    book.aisles.shrink_to_fit();
    book.stocks.shrink_to_fit();
    book.cells.shrink_to_fit();
    book.place_prices.shrink_to_fit();
    book.place_ends.shrink_to_fit();
    book.index.shrink_to_fit();
}

fn number(len: usize) -> u32 {
    u32::try_from(len).expect("a book has at most OFFERS_MAX rows")
}

/// Adds the summary and the sections of the shelf whose rows were added last; `zones` are the ends
/// of its active, idle and invalid rows, counted from its first row.
fn summarise(book: &mut Book, zones: [usize; 3]) {
    let shelf = &book.shelves[book.summaries.len()];
    let start = book.rows.price.len() - zones[2];
    let active = start..start + zones[0];
    let prices = &book.rows.price[active.clone()];
    let observed = || book.rows.observed[active.clone()].iter().copied();
    let mut summary = Summary {
        gpus_per_node: shelf.gpus_per_node,
        divisible: shelf.divisible,
        is_linked: shelf.fabric == Fabric::Rdma,
        start: number(start),
        active_end: number(active.end),
        idle_end: number(start + zones[1]),
        end: number(start + zones[2]),
        price_min: prices.first().copied().unwrap_or(0),
        price_max: prices.last().copied().unwrap_or(0),
        at_least: [0; LEVELS],
        free_nodes: [0; LEVELS],
        first: [number(active.end); LEVELS],
        oldest: observed().min().unwrap_or(0),
        newest: observed().max().unwrap_or(0),
        blocks: number(book.blocks.len()),
        places: Places::new(CountrySet::EMPTY, 0),
    };
    count_levels(book, &mut summary, active.clone());
    summary.places = add_sections(book, active);
    add_free(book, &summary);
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
        for (level, least) in LEVEL_NODES.into_iter().enumerate() {
            if book.rows.nodes[row] < least {
                break;
            }
            if summary.at_least[level] == 0 {
                summary.first[level] = number(row);
            }
            summary.at_least[level] += 1;
            summary.free_nodes[level] += u64::from(book.rows.nodes[row]);
        }
    }
}

fn add_sections(book: &mut Book, active: Range<usize>) -> Places {
    let first = number(book.sections.len());
    let mut places = CountrySet::EMPTY;
    let mut by_country: Vec<(u16, u32)> = active
        .map(|row| (book.rows.country[row], number(row)))
        .collect();
    by_country.sort_unstable();
    for rows in by_country.chunk_by(|a, b| a.0 == b.0) {
        places.insert_code(rows[0].0);
        let start = number(book.section_rows.len());
        let mut at_least = [0; LEVELS - 1];
        let mut free_nodes = [0; LEVELS];
        for (_, row) in rows {
            book.section_rows.push(*row);
            let nodes = book.rows.nodes[*row as usize];
            let (level, _) = level_of(nodes);
            at_least[..level].iter_mut().for_each(|count| *count += 1);
            let free = free_nodes[..=level].iter_mut();
            free.for_each(|free| *free += u64::from(nodes));
        }
        book.sections.push(Section {
            rows: start..number(book.section_rows.len()),
            at_least,
            free_nodes,
        });
    }
    Places::new(places, first)
}

fn add_free(book: &mut Book, summary: &Summary) {
    let [nodes, ..] = summary.free_nodes;
    let Some(aisle) = book.aisles.last() else {
        return;
    };
    let free = Free {
        offers: u64::from(summary.at_least[0]),
        nodes,
        gpus: nodes.saturating_mul(u64::from(summary.gpus_per_node)),
    };
    let key = FreeKey {
        network: aisle.network.clone(),
        gpu: aisle.gpu,
        grade: aisle.grade,
    };
    let place = book.free.0.entry(key).or_default();
    *place = place.plus(free);
}
