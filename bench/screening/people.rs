//! Everyday names of several countries, for people who must not be taken for
//! somebody on the list.

use crate::random::Random;

/// Where a name is common: first names, last names.
pub type Country = (
    &'static str,
    &'static [&'static str],
    &'static [&'static str],
);

/// Known to `src/core/screening/common.rs`.
#[rustfmt::skip]
pub const COUNTRIES: &[Country] = &[
    ("US",
     &["James", "Mary", "Robert", "Patricia", "John", "Jennifer", "Michael", "Linda", "David", "Elizabeth", "William", "Barbara", "Richard", "Susan", "Joseph", "Jessica", "Thomas", "Sarah", "Daniel", "Karen", "Matthew", "Emily", "Kevin", "Amanda"],
     &["Smith", "Johnson", "Williams", "Brown", "Jones", "Miller", "Davis", "Wilson", "Anderson", "Taylor", "Thomas", "Moore", "Martin", "Lee", "Thompson", "White", "Harris", "Clark", "Lewis", "Robinson", "Walker", "Young", "King", "Wright"]),
    ("MX",
     &["José", "María", "Juan", "Guadalupe", "Luis", "Carlos", "Jorge", "Ana", "Miguel", "Rosa", "Francisco", "Verónica", "Alejandro", "Leticia", "Jesús", "Adriana", "Pedro", "Gabriela", "Ricardo", "Alejandra"],
     &["Hernández", "García", "Martínez", "López", "González", "Pérez", "Rodríguez", "Sánchez", "Ramírez", "Cruz", "Flores", "Gómez", "Morales", "Vázquez", "Jiménez", "Reyes", "Díaz", "Torres", "Gutiérrez", "Ruiz"]),
    ("RU",
     &["Александр", "Елена", "Sergey", "Olga", "Vladimir", "Tatiana", "Andrey", "Natalia", "Алексей", "Irina", "Dmitry", "Svetlana", "Nikolay", "Anna", "Ivan", "Ekaterina", "Михаил", "Maria"],
     &["Ivanov", "Smirnov", "Кузнецов", "Popov", "Vasiliev", "Petrov", "Sokolov", "Mikhailov", "Новиков", "Fedorov", "Morozov", "Volkov", "Alekseev", "Lebedev", "Semenov", "Egorov", "Pavlov", "Kozlov"]),
    ("EG",
     &["Mohamed", "Ahmed", "Mahmoud", "Fatma", "Mostafa", "Aya", "Omar", "Mona", "Youssef", "Hanan", "Ibrahim", "Heba", "Khaled", "Amira", "Hassan", "Nour", "Tarek", "Salma", "محمد", "أحمد"],
     &["Ali", "Hassan", "Ibrahim", "Mahmoud", "El-Sayed", "Mostafa", "Abdel Rahman", "Salem", "Fathy", "Gaber", "Shawky", "Ramadan", "Khalil", "Mansour", "Saleh", "Farouk", "Soliman", "Amin", "Nasser", "Zaki"]),
    ("CN",
     &["Wei", "Fang", "Na", "Xiuying", "Min", "Jing", "Li", "Qiang", "Lei", "Jun", "Yang", "Yong", "Yan", "Jie", "Juan", "Tao", "Ming", "Chao", "Xiulan", "Xia", "Ping", "Gang", "Guiying"],
     &["Wang", "Li", "Zhang", "Liu", "Chen", "Yang", "Huang", "Zhao", "Wu", "Zhou", "Xu", "Sun", "Ma", "Zhu", "Hu", "Guo", "He", "Lin", "Gao", "Luo"]),
    ("IN",
     &["Rahul", "Priya", "Amit", "Pooja", "Sanjay", "Sunita", "Rajesh", "Anita", "Vijay", "Neha", "Suresh", "Kavita", "Arjun", "Deepa", "Imran", "Ayesha", "Ravi", "Lakshmi"],
     &["Sharma", "Kumar", "Singh", "Patel", "Gupta", "Khan", "Reddy", "Verma", "Iyer", "Das", "Joshi", "Nair", "Mehta", "Chauhan", "Yadav", "Mishra", "Shaikh", "Rao"]),
    ("DE",
     &["Thomas", "Ursula", "Michael", "Sabine", "Andreas", "Jürgen", "Stefan", "Petra", "Wolfgang", "Monika", "Klaus", "Birgit", "Matthias", "Anja", "Lukas", "Lena"],
     &["Müller", "Schmidt", "Schneider", "Fischer", "Weber", "Meyer", "Wagner", "Becker", "Schulz", "Hoffmann", "Schäfer", "Koch", "Bauer", "Richter", "Klein", "Wolf", "Schröder", "Neumann"]),
    ("NG",
     &["Chinedu", "Ngozi", "Emeka", "Amina", "Musa", "Fatima", "Tunde", "Aisha", "Ibrahim", "Grace", "Samuel", "Blessing", "Abubakar", "Chioma", "Yusuf", "Esther"],
     &["Okafor", "Adeyemi", "Mohammed", "Okonkwo", "Abubakar", "Eze", "Balogun", "Ibrahim", "Nwosu", "Bello", "Adebayo", "Musa", "Obi", "Sani", "Ogunleye", "Usman"]),
    ("BR",
     &["João", "Ana", "Antônio", "Francisca", "Carlos", "Adriana", "Paulo", "Juliana", "Lucas", "Márcia", "Marcos", "Fernanda", "Rafael", "Patrícia", "Bruno", "Camila"],
     &["Silva", "Santos", "Oliveira", "Souza", "Lima", "Pereira", "Ferreira", "Costa", "Rodrigues", "Almeida", "Nascimento", "Alves", "Carvalho", "Araújo", "Ribeiro", "Gomes"]),
    ("PH",
     &["Maria", "Jose", "Mark", "Angelica", "John", "Mary", "Jerome", "Kristine", "Christian", "Jasmine", "Ramon", "Rosario", "Antonio", "Carmela"],
     &["Santos", "Reyes", "Cruz", "Bautista", "Ocampo", "Garcia", "Mendoza", "Torres", "Castillo", "Flores", "Villanueva", "Ramos", "Aquino", "Navarro"]),
    ("TR",
     &["Mehmet", "Fatma", "Mustafa", "Ayşe", "Ahmet", "Emine", "Ali", "Hatice", "Hüseyin", "Zeynep", "İbrahim", "Elif", "Murat", "Meryem", "Osman", "Şerife"],
     &["Yılmaz", "Kaya", "Demir", "Çelik", "Şahin", "Yıldız", "Öztürk", "Aydın", "Özdemir", "Arslan", "Doğan", "Kılıç", "Aslan", "Çetin", "Kara", "Koç"]),
    ("IR",
     &["Mohammad", "Fatemeh", "Ali", "Zahra", "Reza", "Maryam", "Hossein", "Masoumeh", "Mehdi", "Sakineh", "Hassan", "Leila", "Saeed", "Narges", "محمد", "علی"],
     &["Mohammadi", "Hosseini", "Ahmadi", "Rezaei", "Moradi", "Karimi", "Heidari", "Rahimi", "Jafari", "Hashemi", "Ghasemi", "Mousavi", "Rostami", "Sadeghi", "Kazemi", "Ebrahimi"]),
    ("PK",
     &["Muhammad", "Fatima", "Ahmed", "Ayesha", "Bilal", "Zainab", "Usman", "Maryam", "Imran", "Sana", "Asad", "Hina", "Kashif", "Nadia", "Tariq", "Saima"],
     &["Khan", "Ahmed", "Ali", "Hussain", "Malik", "Iqbal", "Butt", "Shah", "Qureshi", "Chaudhry", "Mahmood", "Akhtar", "Raza", "Siddiqui", "Aslam", "Javed"]),
    ("IQ",
     &["Ali", "Zainab", "Hussein", "Noor", "Hassan", "Fatima", "Mustafa", "Maryam", "Ahmed", "Zahraa", "Haider", "Israa", "Karrar", "Shahad", "حسين", "علي"],
     &["Al-Jubouri", "Hassan", "Kadhim", "Al-Dulaimi", "Jassim", "Abbas", "Al-Saadi", "Hussein", "Mohammed", "Al-Maliki", "Abdullah", "Salman", "Al-Bayati", "Kareem", "Hamid", "Al-Tamimi"]),
    ("CO",
     &["Juan", "María", "Carlos", "Luz", "Luis", "Ana", "José", "Sandra", "Jorge", "Martha", "Andrés", "Claudia", "Diego", "Paola", "Camilo", "Diana"],
     &["Rodríguez", "Gómez", "González", "Martínez", "García", "López", "Hernández", "Sánchez", "Ramírez", "Díaz", "Castro", "Moreno", "Rojas", "Ortiz", "Vargas", "Gutiérrez"]),
    ("VE",
     &["José", "María", "Luis", "Carmen", "Carlos", "Ana", "Juan", "Rosa", "Pedro", "Yolanda", "Jesús", "Daniela", "Rafael", "Andrea", "Alexander", "Gabriela"],
     &["González", "Rodríguez", "Pérez", "Hernández", "García", "Martínez", "Sánchez", "López", "Díaz", "Rojas", "Ramírez", "Fernández", "Moreno", "Blanco", "Mendoza", "Medina"]),
    ("UA",
     &["Олександр", "Oksana", "Serhii", "Olha", "Volodymyr", "Iryna", "Андрій", "Nataliia", "Mykola", "Tetiana", "Yurii", "Svitlana", "Vasyl", "Liudmyla", "Ivan", "Halyna"],
     &["Melnyk", "Shevchenko", "Коваленко", "Bondarenko", "Boiko", "Tkachenko", "Kravchenko", "Koval", "Oliinyk", "Shevchuk", "Polishchuk", "Lysenko", "Rudenko", "Savchenko", "Marchenko", "Petrenko"]),
    ("KR",
     &["Min-jun", "Seo-yeon", "Ji-hoon", "Ji-woo", "Sung-ho", "Young-hee", "Hyun-woo", "Eun-ji", "Dong-hyun", "Soo-jin", "Jae-hyun", "Mi-kyung", "Jin-woo", "Hye-jin", "Kyung-soo", "Yu-na"],
     &["Kim", "Lee", "Park", "Choi", "Jung", "Kang", "Cho", "Yoon", "Jang", "Lim", "Han", "Oh", "Seo", "Shin", "Kwon", "Hwang"]),
    ("CN",
     &["Wenjing", "Jianguo", "Xiaoming", "Lili", "Haiyan", "Zhiqiang", "Yuan", "Xiaohong", "Bin", "Hui", "Hong", "Peng", "Ting", "Hao", "晓明", "建国"],
     &["Tang", "Han", "Cao", "Deng", "Xiao", "Feng", "Zeng", "Cheng", "Cai", "Peng", "Pan", "Yuan", "Yu", "Dong", "Su", "Ye"]),
    ("ID",
     &["Agus", "Siti", "Budi", "Sri", "Ahmad", "Nur", "Bambang", "Dewi", "Muhammad", "Dian", "Eko", "Ratna", "Hendra", "Wati", "Slamet", "Indah"],
     &["Santoso", "Wijaya", "Setiawan", "Hidayat", "Saputra", "Nugroho", "Susanto", "Kurniawan", "Rahman", "Lestari", "Wibowo", "Hartono", "Abdullah", "Siregar", "Nasution", "Sari"]),
    ("FR",
     &["Jean", "Marie", "Pierre", "Nathalie", "Michel", "Isabelle", "Philippe", "Sylvie", "Alain", "Catherine", "Nicolas", "Céline", "Karim", "Samira", "Mehdi", "Julie"],
     &["Martin", "Bernard", "Dubois", "Thomas", "Robert", "Richard", "Petit", "Durand", "Leroy", "Moreau", "Simon", "Laurent", "Lefebvre", "Benali", "Diallo", "Nguyen"]),
    ("RS",
     &["Dragan", "Marija", "Milan", "Jelena", "Zoran", "Ana", "Aleksandar", "Milica", "Nikola", "Dragana", "Goran", "Ivana", "Marko", "Snežana", "Jovan", "Ljiljana"],
     &["Jovanović", "Petrović", "Nikolić", "Marković", "Đorđević", "Stojanović", "Ilić", "Stanković", "Pavlović", "Milošević", "Popović", "Kovačević", "Todorović", "Lukić", "Savić", "Simić"]),
];

/// A person of one of these countries: the name and the country's code.
pub fn person(countries: &[Country], random: &mut Random) -> (String, &'static str) {
    let (country, first, last) = random.of(countries);
    let surname = random.of(last);
    let name = match (country, random.below(4)) {
        ("MX" | "PH" | "BR" | "CO" | "VE", 0..2) => {
            format!("{} {surname} {}", random.of(first), random.of(last))
        }
        ("US" | "EG" | "IQ" | "LY", 0) => {
            format!("{} {} {surname}", random.of(first), random.of(first))
        }
        _ => format!("{} {surname}", random.of(first)),
    };
    (name, country)
}
