//! Data sets, archives and caches: damage is repaired or reported, and valid data is read
//! completely.

#[path = "../../../tests/common/mod.rs"]
mod common;

use std::fs;
use std::path::{Path, PathBuf};
use std::time::UNIX_EPOCH;

use common::{
    Member, below, faces_folder, file, files, gz, pictures, place, program, tar, words, zeros,
};
use ror::data::Faces;
use tempfile::TempDir;

/// Runs `data` on a data set with a cache in `place`, and returns its output. It must succeed.
fn data(place: &Path, set: &Path) -> String {
    let output = program(place, set).arg("data").output().unwrap();
    assert!(output.status.success(), "{}", words(&output));
    words(&output)
}

/// The only entry of the cache whose name starts with `begin`.
fn cached(place: &Path, begin: &str) -> PathBuf {
    let entries = fs::read_dir(place.join("cache")).unwrap().map(|e| e.unwrap().path());
    let named = |path: &PathBuf| path.file_name().unwrap().to_string_lossy().starts_with(begin);
    let found: Vec<PathBuf> = entries.filter(named).collect();
    assert_eq!(found.len(), 1, "{found:?}");
    found[0].clone()
}

#[test]
fn cached_pictures_with_other_bytes_are_made_anew() {
    let (place, folder) = (TempDir::new().unwrap(), faces_folder(60));
    let models = Path::new(common::ROOT).join("models");
    let evaluate = || {
        let mut program = program(place.path(), folder.path());
        program.env("ROR_MODELS", &models);
        program.args(["evaluate", "--json", "--model", "both-32px", "--data"]).arg(folder.path());
        let output = program.output().unwrap();
        assert!(output.status.success(), "{}", words(&output));
        let stderr = String::from_utf8(output.stderr).unwrap();
        (String::from_utf8(output.stdout).unwrap(), stderr)
    };
    let (right, _) = evaluate();
    let cache = cached(place.path(), "pictures-32px-");
    let good = fs::read(&cache).unwrap();
    let each = 32 * 32 * 3;
    let head = good.len() - 60 * each;
    type Damage = fn(&mut [u8], usize);
    let damages: [(&str, Damage); 4] = [
        ("every pixel inverted", |bytes, _| bytes.iter_mut().for_each(|byte| *byte = !*byte)),
        ("the records rotated by one", |bytes, each| bytes.rotate_left(each)),
        ("one bit flipped", |bytes, _| bytes[100_000] ^= 4),
        ("the last byte another", |bytes, _| *bytes.last_mut().unwrap() ^= 1),
    ];
    for (what, damage) in damages {
        let mut bytes = good.clone();
        damage(&mut bytes[head..], each);
        fs::write(&cache, &bytes).unwrap();
        let (said, note) = evaluate();
        assert_eq!(said, right, "{what}");
        assert!(note.contains("damaged") && note.contains("again:"), "{what}: {note}");
        assert!(note.contains(&cache.display().to_string()), "{what}: {note}");
        assert_eq!(fs::read(&cache).unwrap(), good, "{what}");
    }
    // A truncated cache is made again, and an intact one is not.
    fs::write(&cache, &good[..good.len() / 2]).unwrap();
    assert!(evaluate().1.contains("again:"));
    assert_eq!(evaluate().0, right);
    assert!(!evaluate().1.contains("again:"));
}

/// Puts one data set's images under the name of another's cache: same number, same size.
#[test]
fn cached_pictures_of_another_set_are_not_taken() {
    let place = place();
    let [a, b] = [0, 1].map(|seed| Faces::synthetic(20, seed).unwrap());
    let tensor = |faces: &Faces| faces.pictures(16).unwrap();
    let (right, other) = (tensor(&a), tensor(&b));
    let file = |faces: &Faces| {
        place.join("cache").join(format!("pictures-16px-{}.bin", faces.fingerprint()))
    };
    fs::copy(file(&b), file(&a)).unwrap();
    let again = tensor(&Faces::synthetic(20, 0).unwrap());
    assert!(right != other && again == right, "the pictures of another set");
}

#[test]
fn an_unpacked_folder_that_has_changed_is_unpacked_anew() {
    let (place, folder) = (TempDir::new().unwrap(), TempDir::new().unwrap());
    let archive = folder.path().join("UTKFace.tar.gz");
    fs::write(&archive, gz(&tar(&files("UTKFace/", &pictures(600))))).unwrap();
    let right = data(place.path(), &archive);
    assert!(right.contains("600 images"), "{right}");
    let jpegs = || -> Vec<PathBuf> {
        let files = below(&cached(place.path(), "unpacked-"));
        files.into_iter().filter(|path| path.extension().is_some_and(|e| e == "jpg")).collect()
    };
    type Damage = fn(&[PathBuf]);
    let damages: [(&str, Damage); 5] = [
        ("200 files removed", |jpegs| {
            jpegs.iter().step_by(3).for_each(|path| fs::remove_file(path).unwrap());
        }),
        ("one with the bytes of another", |jpegs| {
            fs::copy(&jpegs[1], &jpegs[2]).unwrap();
        }),
        ("one bit flipped, size and time kept", |jpegs| {
            let time = fs::metadata(&jpegs[9]).unwrap().modified().unwrap();
            let mut bytes = fs::read(&jpegs[9]).unwrap();
            *bytes.last_mut().unwrap() ^= 1;
            fs::write(&jpegs[9], bytes).unwrap();
            fs::File::options().write(true).open(&jpegs[9]).unwrap().set_modified(time).unwrap();
        }),
        ("a folder instead of a file", |jpegs| {
            fs::remove_file(&jpegs[0]).unwrap();
            fs::create_dir(&jpegs[0]).unwrap();
        }),
        ("all removed", |jpegs| jpegs.iter().for_each(|path| fs::remove_file(path).unwrap())),
    ];
    for (what, damage) in damages {
        damage(&jpegs());
        let said = data(place.path(), &archive);
        assert!(said.contains("600 images"), "{what}: {said}");
        assert!(said.contains("damaged") && said.contains("again:"), "{what}: {said}");
        assert_eq!(data(place.path(), &archive), right, "{what}");
    }
    // A file added to the unpacked folder is not in the archive, so it is not in the data set.
    let jpeg = jpegs()[0].clone();
    fs::copy(&jpeg, jpeg.with_file_name("26_1_2_20170116184024662.jpg.chip.jpg")).unwrap();
    assert_eq!(data(place.path(), &archive), right);
}

/// The file with the labels is checked like the images.
#[test]
fn labels_that_were_changed_in_the_unpacked_folder_come_back() {
    let (place, folder) = (TempDir::new().unwrap(), TempDir::new().unwrap());
    let archive = folder.path().join("own.tar.gz");
    let mut members = files("own/", &pictures(2));
    let mut labels = "file,age,gender\n".to_owned();
    for (i, (_, name, _)) in members.iter_mut().enumerate() {
        *name = format!("own/{i}.jpg");
        labels += &format!("{i}.jpg,30,female\n");
    }
    members.push((b'0', "own/labels.csv".to_owned(), labels.into_bytes()));
    fs::write(&archive, gz(&tar(&members))).unwrap();
    let right = data(place.path(), &archive);
    assert!(right.contains("0 male, 2 female"), "{right}");
    let table = below(&cached(place.path(), "unpacked-"))
        .into_iter()
        .find(|path| path.ends_with("labels.csv"))
        .unwrap();
    let text = fs::read_to_string(&table).unwrap();
    fs::write(&table, text.replace("female", "male")).unwrap();
    assert!(data(place.path(), &archive).contains("0 male, 2 female"));
}

/// Returns the error for an archive that can't be read.
fn refused(archive: &Path) -> String {
    place();
    format!("{:#}", Faces::open_at(archive).expect_err("this must be refused"))
}

/// Writes a file to a new folder.
fn written(name: &str, bytes: &[u8]) -> (TempDir, PathBuf) {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join(name);
    fs::write(&path, bytes).unwrap();
    (folder, path)
}

/// Counts the images in an archive.
fn pictures_in(bytes: &[u8]) -> usize {
    place();
    let (_folder, path) = written("own.tar.gz", bytes);
    Faces::open_at(&path).unwrap().len()
}

#[test]
fn every_member_of_a_gzip_file_and_every_tar_in_it_is_read() {
    let pictures = pictures(30);
    let [a, b] =
        [tar(&files("UTKFace/", &pictures[..10])), tar(&files("UTKFace/", &pictures[10..]))];
    let whole = tar(&files("UTKFace/", &pictures));
    // Two gzip members, split in the middle of an image, as parallel compressors write them.
    let (start, end) = whole.split_at(whole.len() / 2 + 7);
    assert_eq!(pictures_in(&[gz(start), gz(end)].concat()), 30);
    // Like `cat a.tar.gz b.tar.gz` and `cat a.tar b.tar | gzip`.
    assert_eq!(pictures_in(&[gz(&a), gz(&b)].concat()), 30);
    assert_eq!(pictures_in(&gz(&[a, b].concat())), 30);
    let (_folder, path) = written("cut.tar.gz", &gz(start));
    assert!(refused(&path).contains("truncated or damaged"));
}

#[test]
fn a_plain_tar_file_is_read_and_other_forms_are_refused_by_name() {
    let whole = tar(&files("UTKFace/", &pictures(12)));
    place();
    let (_folder, path) = written("UTKFace.tar", &whole);
    assert_eq!(Faces::open_at(&path).unwrap().len(), 12);
    let (_folder, path) = written("cut.tar", &whole[..whole.len() / 2]);
    assert!(refused(&path).contains("truncated or damaged"));
    // Cut between two members.
    let ends = whole.len() - 1024;
    let (_folder, path) = written("cut.tar", &whole[..ends]);
    assert!(refused(&path).contains("its end marker is missing"));
    for (name, bytes, form) in [
        ("a.zip", &b"PK\x03\x04 and so on"[..], "zip"),
        ("a.tar.xz", b"\xFD7zXZ\0 and so on", "xz"),
        ("a.tar.bz2", b"BZh9 and so on", "bzip2"),
        ("a.tar.zst", b"\x28\xB5\x2F\xFD and so on", "zstd"),
        ("a.7z", b"7z\xBC\xAF\x27\x1C and so on", "7z"),
        ("a.rar", b"Rar!\x1A\x07 and so on", "rar"),
        ("page.tar.gz", &[b'<'; 2000], "not an archive"),
    ] {
        let (_folder, path) = written(name, bytes);
        let message = refused(&path);
        assert!(message.contains(form) && message.contains(".tar.gz and .tgz"), "{message}");
        assert!(message.contains(name) && !message.contains("download it again"), "{message}");
    }
}

#[test]
fn links_and_sparse_files_in_an_archive_are_read_or_refused_by_name() {
    let five = pictures(5);
    let link = |kind, name: &str, to: &str| (kind, name.to_owned(), to.as_bytes().to_vec());
    let names: Vec<String> = five.iter().map(|(name, _)| name.clone()).collect();
    let with = |more: &[Member]| {
        let all = [files("all/", &five[..2]), more.to_vec()].concat();
        written("own.tar.gz", &gz(&tar(&all)))
    };
    // A link may come before its target, and its target may be another link.
    let (_folder, path) = with(&[
        link(b'2', &format!("all/{}", names[2]), &format!("../more/{}", names[3])),
        link(b'2', &format!("more/{}", names[3]), &format!("../all/./{}", names[0])),
        link(b'1', &format!("more/{}", names[4]), &format!("all/{}", names[1])),
        (b'7', "all/26_1_2_20170116184024662.jpg".to_owned(), five[4].1.clone()),
        link(b'1', &format!("all/{}", names[0]), &format!("all/{}", names[0])),
    ]);
    place();
    let faces = Faces::open_at(&path).unwrap();
    assert_eq!((faces.len(), faces.contents()), (6, 3));
    assert!((0..6).all(|i| faces.bytes(i).is_ok()));
    for (kind, what, to) in [
        (b'2', "passwd", "/etc/passwd"),
        (b'2', "outside", "../../picture.jpg"),
        (b'2', "folder", "all"),
        (b'2', "itself", "itself"),
        (b'1', "nothing", "all/nothing.jpg"),
        (b'3', "device", ""),
        (b'6', "pipe", ""),
    ] {
        let (_folder, path) = with(&[link(kind, &format!("all/{what}"), to)]);
        let message = refused(&path);
        assert!(message.contains(&format!("all/{what}")), "{message}");
        assert!(message.contains(to) && message.contains("pass the folder"), "{message}");
    }

    // A sparse file in both formats of GNU tar.
    let sparse = TempDir::new().unwrap();
    let at = |name: &str| sparse.path().join(name);
    fs::create_dir(at("own")).unwrap();
    fs::write(at("own").join(&names[0]), &five[0].1).unwrap();
    let holed = fs::File::create(at("own").join(&names[1])).unwrap();
    holed.set_len(1 << 20).unwrap();
    std::os::unix::fs::FileExt::write_at(&holed, b"the end", (1 << 20) - 7).unwrap();
    let pack = |format: &str| {
        let path = at(&format!("{format}.tar"));
        let status = std::process::Command::new("tar")
            .args(["--sparse", &format!("--format={format}"), "-C"])
            .arg(sparse.path())
            .arg("-cf")
            .args([path.as_os_str(), "own".as_ref()])
            .status()
            .unwrap();
        assert!(status.success());
        path
    };
    let faces = Faces::open_at(pack("gnu")).unwrap();
    assert_eq!(faces.len(), 2);
    let index = (0..2).find(|i| faces.record(*i).unwrap().file == names[1]).unwrap();
    let bytes = faces.bytes(index).unwrap();
    assert!(bytes.len() == 1 << 20 && bytes.ends_with(b"\0the end"));
    let message = refused(&pack("pax"));
    assert!(message.contains("sparse") && message.contains(&names[1]), "{message}");
}

/// Each link points to the next, and the last one to an image.
#[test]
fn a_long_chain_of_links_is_followed_once() {
    const LINKS: usize = 20_000;
    let name = |i: usize| format!("26_1_2_{i:017}.jpg");
    let link = |i: usize| (b'2', name(i), name(i + 1).into_bytes());
    let mut members: Vec<Member> = (0..LINKS).map(link).collect();
    let picture = pictures(1).remove(0).1;
    members.push((b'0', name(LINKS), picture));
    assert_eq!(pictures_in(&gz(&tar(&members))), LINKS + 1);
    // For a cycle and for a broken chain, the error names the last link.
    for end in [name(5), "nowhere".to_owned()] {
        let mut members: Vec<Member> = (0..9).map(link).collect();
        members[8].2 = end.clone().into_bytes();
        let (_folder, path) = written("own.tar.gz", &gz(&tar(&members)));
        let message = refused(&path);
        assert!(message.contains(&format!("{} is a link to {end}", name(8))), "{message}");
    }
}

/// An image that is too large is left out, as in a folder, and the others are read.
#[test]
fn a_picture_of_an_archive_that_is_too_large_is_left_out_by_name() {
    let (place, folder) = (TempDir::new().unwrap(), TempDir::new().unwrap());
    let path = folder.path().join("own.tar.gz");
    let name = "36_1_0_20170116184024662.jpg";
    zeros(&path, b'0', name, 300 << 20, &files("", &pictures(3)));
    let run = || {
        let said = data(place.path(), &path);
        assert!(said.contains("3 images") && said.contains("1 file left out"), "{said}");
        assert!(
            said.contains(&format!("{name} (the file has 314572800 bytes: at most 256 MiB")),
            "{said}"
        );
        said
    };
    run();
    // A new modification time alone does not change the data set.
    let unpacked = below(&cached(place.path(), "unpacked-"));
    let large = unpacked.iter().find(|path| path.ends_with(name)).unwrap();
    fs::File::options().write(true).open(large).unwrap().set_modified(UNIX_EPOCH).unwrap();
    let said = run();
    assert!(!said.contains("again:"), "{said}");
    fs::remove_file(large).unwrap();
    assert!(run().contains("again:"));
}

#[test]
fn the_pictures_of_all_folders_are_read() {
    place();
    let pictures = pictures(30);
    let parts = ["part1/", "part2/", "part3/"];
    let members: Vec<Member> = (pictures.iter().enumerate())
        .map(|(i, picture)| file(&format!("faces/{}", parts[i % 3]), picture))
        .collect();
    assert_eq!(pictures_in(&gz(&tar(&members))), 30);
    let folder = TempDir::new().unwrap();
    for (i, (name, bytes)) in pictures.iter().enumerate() {
        let part = folder.path().join("deep/er").join(parts[i % 3]);
        fs::create_dir_all(&part).unwrap();
        fs::write(part.join(name), bytes).unwrap();
    }
    let faces = Faces::open_at(folder.path()).unwrap();
    assert_eq!((faces.len(), faces.contents()), (30, 30));
    assert!(faces.record(0).unwrap().file.starts_with("part1/"));
    assert_eq!(faces.folder(), Some(&*folder.path().join("deep/er")));
    // With two tables it is ambiguous which one counts.
    for part in &parts[..2] {
        fs::write(folder.path().join("deep/er").join(part).join("labels.csv"), "file").unwrap();
    }
    let message = refused(folder.path());
    assert!(message.contains("part1/labels.csv and") && message.contains("part2/"), "{message}");
}

/// A file name with a newline must not add a line to the index of hashes.
#[test]
fn a_file_name_cannot_speak_for_another_file() {
    use ror::{Gender, Label};
    let place = place();
    let folder = TempDir::new().unwrap();
    let two = pictures(2);
    let victim = folder.path().join("victim.jpg");
    fs::write(&victim, &two[0].1).unwrap();
    let open = || {
        let label = Label { age: 30, gender: Gender::Male, race: None };
        Faces::labelled(folder.path(), |_| Some(label)).unwrap()
    };
    let content = |faces: &Faces| {
        let records = (0..faces.len()).map(|i| faces.record(i).unwrap());
        records.clone().find(|record| record.file == "victim.jpg").unwrap().content.clone()
    };
    let right = content(&open());
    let index = cached_index(place, "victim.jpg");
    let text = fs::read(&index).unwrap();
    // The victim's line with another hash.
    let line = text.split(|b| *b == b'\n' || *b == 0).find(|line| line.ends_with(b"victim.jpg"));
    let line = String::from_utf8(line.unwrap().to_vec()).unwrap();
    let forged = line.replace(&right, &"0".repeat(64));
    for separator in ["\n", "\r\n", "\u{2028}"] {
        fs::write(folder.path().join(format!("x.jpg{separator}{forged}")), &two[1].1).unwrap();
    }
    assert_eq!(open().len(), 4);
    assert_eq!(content(&open()), right);
    assert_eq!(open().contents(), 2);
    // A modified index is not trusted either.
    let text = String::from_utf8(fs::read(&index).unwrap()).unwrap();
    fs::write(&index, text.replace(&right, &"0".repeat(64))).unwrap();
    assert_eq!(content(&open()), right);
}

/// The index of hashes that contains a name.
fn cached_index(place: &Path, name: &str) -> PathBuf {
    let speaks = |path: &PathBuf| {
        let bytes = fs::read(path).unwrap();
        bytes.windows(name.len()).any(|part| part == name.as_bytes())
    };
    let files = below(&place.join("cache")).into_iter();
    let mut indices = files.filter(|path| path.to_string_lossy().contains("contents-"));
    indices.find(speaks).unwrap()
}

/// Changes a file but keeps its size and time.
#[test]
fn a_picture_with_other_bytes_than_its_hash_is_not_used() {
    place();
    let folder = faces_folder(10);
    let faces = Faces::open_at(folder.path()).unwrap();
    let path = folder.path().join(&faces.record(3).unwrap().file);
    let time = fs::metadata(&path).unwrap().modified().unwrap();
    let mut bytes = fs::read(&path).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    fs::write(&path, &bytes).unwrap();
    fs::File::options().write(true).open(&path).unwrap().set_modified(time).unwrap();
    for message in [
        format!("{:#}", faces.bytes(3).unwrap_err()),
        format!("{:#}", faces.pictures(16).unwrap_err()),
    ] {
        assert!(message.contains("has changed") && message.contains("touch"), "{message}");
        assert!(message.contains(&path.display().to_string()), "{message}");
    }
    let again = Faces::open_at(folder.path()).unwrap();
    assert_ne!(again.fingerprint(), faces.fingerprint());
    assert_eq!(again.bytes(3).unwrap(), bytes);
}

#[test]
fn an_archive_that_unpacks_to_too_much_is_refused() {
    let (place, folder) = (TempDir::new().unwrap(), TempDir::new().unwrap());
    let path = folder.path().join("bomb.tar.gz");
    let name = "all/26_1_2_20170116184024662.jpg".to_owned();
    let run = |variable: &str, value: &str| {
        let mut program = program(place.path(), &path);
        let output = program.arg("data").env(variable, value).output().unwrap();
        (output.status.success(), words(&output))
    };
    let cache_is_clean = || {
        let left = below(&place.path().join("cache"));
        let is_picture = |path: &&PathBuf| path.extension().is_some_and(|e| e == "jpg");
        let left: Vec<_> = left.iter().filter(is_picture).collect();
        assert!(left.is_empty(), "{left:?}");
    };
    fs::write(&path, gz(&tar(&[(b'0', name.clone(), vec![0; 20_000_000])]))).unwrap();
    let (done, said) = run("ROR_UNPACK_BYTES", "10000000");
    assert!(!done && said.contains("more than 10,000,000 bytes"), "{said}");
    assert!(said.contains("set ROR_UNPACK_BYTES to raise"), "{said}");
    cache_is_clean();
    // A long name counts too, because libraries allocate it, and so does a link, which is a copy.
    let long = [(b'L', "././@LongLink".to_owned(), vec![]), (b'0', name.clone(), vec![])];
    let mut bytes = tar(&long);
    let mut header = tar::Header::from_byte_slice(&bytes[..512]).clone();
    header.set_size(20_000_000);
    header.set_cksum();
    bytes.splice(..512, [header.as_bytes().to_vec(), vec![b'x'; 20_000_256]].concat());
    fs::write(&path, gz(&bytes)).unwrap();
    let (done, said) = run("ROR_UNPACK_BYTES", "10000000");
    assert!(!done && said.contains("more than 10,000,000 bytes"), "{said}");
    let links = (0..30).map(|i| (b'1', format!("all/{i}"), name.clone().into_bytes()));
    let file = (b'0', name.clone(), vec![0; 400_000]);
    let members: Vec<Member> = std::iter::once(file).chain(links).collect();
    fs::write(&path, gz(&tar(&members))).unwrap();
    let (done, said) = run("ROR_UNPACK_BYTES", "10000000");
    assert!(!done && said.contains("more than 10,000,000 bytes"), "{said}");

    fs::write(&path, gz(&tar(&files("all/", &pictures(12))))).unwrap();
    let (done, said) = run("ROR_UNPACK_FILES", "11");
    assert!(!done && said.contains("more than 11 members"), "{said}");
    assert!(said.contains("set ROR_UNPACK_FILES to raise"), "{said}");
    let (done, said) = run("ROR_UNPACK_FILES", "many");
    assert!(!done && said.contains("ROR_UNPACK_FILES is \"many\""), "{said}");
    cache_is_clean();
    let (done, said) = run("ROR_UNPACK_FILES", "12");
    assert!(done && said.contains("12 images"), "{said}");
}

/// The names, folders and headers of an archive.
#[test]
fn names_folders_and_headers_of_an_archive_have_limits() {
    let (place, folder) = (TempDir::new().unwrap(), TempDir::new().unwrap());
    let path = folder.path().join("own.tar.gz");
    let run = |most: &str| {
        let output =
            program(place.path(), &path).arg("data").env("ROR_UNPACK_FILES", most).output();
        let output = output.unwrap();
        (output.status.success(), words(&output))
    };
    let in_folders = |n: usize| {
        let name = "26_1_2_20170116184024662.jpg".to_owned();
        let deep = file(&"d/".repeat(n), &(name, vec![1]));
        fs::write(&path, gz(&tar(&[deep]))).unwrap();
        run("")
    };
    let (done, said) = in_folders(32);
    assert!(done && said.contains("1 image "), "{said}");
    let (done, said) = in_folders(33);
    assert!(!done && said.contains("more than 32 folders") && said.contains("d/d/d"), "{said}");
    // 256 bytes a member.
    let mut long = tar::Builder::new(vec![]);
    let mut header = tar::Header::new_gnu();
    header.set_entry_type(tar::EntryType::Symlink);
    header.set_size(0);
    long.append_link(&mut header, "b".repeat(200), "a".repeat(200)).unwrap();
    fs::write(&path, gz(&long.into_inner().unwrap())).unwrap();
    let (done, said) = run("1");
    assert!(!done && said.contains("the names are too long"), "{said}");
    assert!(said.contains("set ROR_UNPACK_FILES to raise"), "{said}");
    let (_, said) = run("2");
    assert!(said.contains("is a link to aaa"), "{said}");
    zeros(&path, b'L', "././@LongLink", 17 << 20, &files("all/", &pictures(1)));
    let (done, said) = run("");
    assert!(!done && said.contains("more than 16 MiB of headers"), "{said}");
    zeros(&path, b'0', "readme.txt", 17 << 20, &files("all/", &pictures(1)));
    let (done, said) = run("");
    assert!(done && said.contains("1 image "), "{said}");
}

/// Pipes and devices, as the data set or in it, are not read, because they may never end.
#[test]
#[cfg(unix)]
fn pipes_and_devices_are_refused_or_left_out() {
    use std::os::unix::fs::symlink;
    let (place, folder) = (TempDir::new().unwrap(), faces_folder(12));
    let at = |name: &str| folder.path().join(name);
    let fifo = |path: &Path| {
        assert!(std::process::Command::new("mkfifo").arg(path).status().unwrap().success());
    };
    // Two more entries with the extension of an image.
    fifo(&at("30_1_0_20170116184024662.jpg.chip.jpg"));
    symlink("/dev/zero", at("31_1_0_20170116184024662.jpg.chip.jpg")).unwrap();
    let run = |set: &Path| {
        let mut program = program(place.path(), set);
        let mut child = program
            .arg("data")
            .stdout(std::process::Stdio::piped())
            .stderr(std::process::Stdio::piped())
            .spawn()
            .unwrap();
        let begin = std::time::Instant::now();
        while child.try_wait().unwrap().is_none() {
            if begin.elapsed().as_secs() > 60 {
                child.kill().unwrap();
                panic!("it waits for what never comes");
            }
            std::thread::sleep(std::time::Duration::from_millis(20));
        }
        let output = child.wait_with_output().unwrap();
        (output.status.success(), words(&output))
    };
    let (done, said) = run(folder.path());
    assert!(done && said.contains("12 images"), "{said}");
    for name in ["30_1_0_2017", "31_1_0_2017"] {
        let line = said.lines().find(|line| line.contains(name)).unwrap();
        assert!(line.contains("2 files left out") && line.contains("not a file"), "{said}");
    }
    // If labels.csv is a pipe, the labels are read from the file names.
    fifo(&at("labels.csv"));
    let (done, said) = run(folder.path());
    assert!(
        done && said.contains("12 images") && said.contains("labels.csv (not a file)"),
        "{said}"
    );
    fs::remove_file(at("labels.csv")).unwrap();
    symlink("/dev/zero", at("labels.csv")).unwrap();
    let (done, said) = run(folder.path());
    assert!(!done && said.contains("labels.csv is not a file"), "{said}");
    let pipe = at("pipe.tar.gz");
    fifo(&pipe);
    for set in [&pipe, Path::new("/dev/zero")] {
        let (done, said) = run(set);
        assert!(!done && said.contains("neither a folder nor a file"), "{said}");
    }
}

/// An entry that can't be read is left out, and the others are read.
#[test]
#[cfg(unix)]
fn an_entry_that_cannot_be_read_is_left_out_by_name() {
    use std::ffi::OsStr;
    use std::os::unix::ffi::OsStrExt;
    use std::os::unix::fs::{PermissionsExt, symlink};
    let (place, folder) = (TempDir::new().unwrap(), faces_folder(12));
    let at = |name: &str| folder.path().join(name);
    fs::create_dir(at("32_1_0_20170116184024662.jpg.chip.jpg")).unwrap();
    fs::create_dir(at("empty")).unwrap();
    fs::create_dir(at("locked")).unwrap();
    fs::set_permissions(at("locked"), fs::Permissions::from_mode(0o000)).unwrap();
    symlink("nowhere", at("33_1_0_20170116184024662.jpg.chip.jpg")).unwrap();
    symlink("empty", at("34_1_0_20170116184024662.jpg.chip.jpg")).unwrap();
    let latin = OsStr::from_bytes(b"35_1_0_20170116184024662_\xE9.jpg");
    fs::write(folder.path().join(latin), b"x").unwrap();
    let large = fs::File::create(at("36_1_0_20170116184024662.jpg.chip.jpg")).unwrap();
    large.set_len(300 << 20).unwrap(); // a sparse file
    let said = data(place.path(), folder.path());
    fs::set_permissions(at("locked"), fs::Permissions::from_mode(0o755)).unwrap();
    assert!(said.contains("12 images"), "{said}");
    for (name, why) in [
        ("33_1_0", "cannot be read"),
        ("34_1_0", "not a file"),
        ("35_1_0", "UTF-8"),
        ("36_1_0", "at most 256 MiB"),
    ] {
        let line = said.lines().find(|line| line.contains(name));
        assert!(line.is_some_and(|line| line.contains(why)), "{name}: {said}");
    }
    // If there are no other files, the error names them.
    let alone = TempDir::new().unwrap();
    symlink("nowhere", alone.path().join("33_1_0_20170116184024662.jpg.chip.jpg")).unwrap();
    let message = refused(alone.path());
    assert!(message.contains("33_1_0") && message.contains("cannot be read"), "{message}");
}

#[test]
fn data_says_what_a_small_set_is_too_small_for() {
    for n in [1, 10] {
        let (place, folder) = (TempDir::new().unwrap(), faces_folder(n));
        let said = data(place.path(), folder.path());
        assert!(said.contains(&format!("{n} image")) && said.contains("rows after"), "{said}");
    }
}

#[test]
#[cfg(unix)]
fn a_full_disk_is_not_said_to_be_a_damaged_archive() {
    let (place, folder) = (TempDir::new().unwrap(), TempDir::new().unwrap());
    let path = folder.path().join("own.tar.gz");
    let name = "26_1_2_20170116184024662.jpg".to_owned();
    fs::write(&path, gz(&tar(&[(b'0', name.clone(), vec![0; 1_000_000])]))).unwrap();
    let mut limited = std::process::Command::new("bash");
    // No file may exceed 64 blocks, so that writes fail like on a full disk.
    limited.args(["-c", "trap '' XFSZ; ulimit -f 64; exec \"$@\"", "bash"]);
    let own = program(place.path(), &path);
    limited.arg(own.get_program()).arg("data");
    limited.envs(own.get_envs().filter_map(|(name, value)| Some((name, value?))));
    let output = limited.output().unwrap();
    let said = words(&output);
    assert!(!output.status.success() && said.contains("is the disk full"), "{said}");
    assert!(said.contains(&name) && !said.contains("download it again"), "{said}");
}
